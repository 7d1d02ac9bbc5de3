// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type FamilyRow,
  messagesOf,
  reading,
  resource,
  writer,
} from "../../../test/kit/component/request_writer.ts";
import { decodeMetadata, decodeWriteRequest } from "../../../test/kit/oracle/remote_write.ts";

const T = 1_700_000_000_123;
const ROWS: FamilyRow[] = [
  { name: "a", kind: "gauge", help: "Load.", unit: "By" },
  { name: "b", kind: "sum", help: "Ünits." },
  { name: "c", kind: "histogram" },
  { name: "d", kind: "unknown" },
];

test("metadata are sent before the samples, in a request that has no points", () => {
  const { consumer, requests } = writer({ sendsMetadata: true, targetInfo: true, namespace: "ns" });
  consumer.consume(reading(resource("s1", { "os.type": "linux" }), ROWS, T));
  const [metadata, samples, ...more] = messagesOf(requests);
  assert.ok(metadata !== undefined && samples !== undefined && more.length === 0);
  assert.deepEqual(decodeMetadata(metadata), [
    { type: 2, name: "ns_a", help: "Load.", unit: "By" },
    { type: 1, name: "ns_b", help: "Ünits.", unit: "" },
    { type: 3, name: "ns_c", help: "", unit: "" },
    { type: 0, name: "ns_d", help: "", unit: "" },
    { type: 2, name: "ns_target_info", help: "Target metadata", unit: "" },
  ]);
  assert.equal(decodeWriteRequest(samples).length, 7);
  assert.deepEqual(
    requests.map(({ points }) => points),
    [0, 4],
  );
});

test("the metadata of each family are sent once a minute, for all resources together", async () => {
  const { consumer, requests, clock } = writer({ sendsMetadata: true });
  /** Names of the families that are said when the resource has these. */
  const saidOf = (id: string, rows: readonly FamilyRow[]): string[] => {
    consumer.consume(reading(resource(id), rows, T + clock.monotonicMs()));
    const messages = messagesOf(requests.splice(0));
    return messages.length < 2 ? [] : decodeMetadata(messages[0] ?? new Uint8Array()).map(({ name }) => name);
  };
  assert.deepEqual(saidOf("s1", ROWS), ["a", "b", "c", "d"]);
  assert.deepEqual(saidOf("s2", ROWS), []);
  await clock.advance(30_000);
  assert.deepEqual(saidOf("s3", [...ROWS, { name: "e" }]), ["e"]);
  await clock.advance(29_999);
  assert.deepEqual(saidOf("s1", ROWS), []);
  await clock.advance(1);
  assert.deepEqual(saidOf("s2", ROWS), ["a", "b", "c", "d"]);
  assert.deepEqual(saidOf("s3", [...ROWS, { name: "e" }]), []);
  await clock.advance(30_000);
  assert.deepEqual(saidOf("s3", [...ROWS, { name: "e" }]), ["e"]);
});
