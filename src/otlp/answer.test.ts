// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { type Acceptance, readAcceptance, readStatusMessage } from "./answer.ts";
import { RetryInfoSchema } from "./generated/google/rpc/error_details_pb.ts";
import { StatusSchema } from "./generated/google/rpc/status_pb.ts";
import { ExportMetricsServiceResponseSchema } from "./generated/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const ALL: Acceptance = { rejectedPoints: 0, message: "" };

function partial(rejectedDataPoints: bigint, errorMessage: string): Uint8Array {
  const response = create(ExportMetricsServiceResponseSchema, {
    partialSuccess: { rejectedDataPoints, errorMessage },
  });
  return toBinary(ExportMetricsServiceResponseSchema, response);
}

test("rejected points and a message are read from protobuf", () => {
  const check = (response: Uint8Array, want: Acceptance | undefined): void =>
    assert.deepEqual(readAcceptance(response, "proto"), want);
  check(new Uint8Array(), ALL);
  check(partial(2n, "too old"), { rejectedPoints: 2, message: "too old" });
  check(partial(-5n, ""), ALL);
  check(partial(0n, "x".repeat(5_000)), { rejectedPoints: 0, message: "x".repeat(1_000) });
  check(Uint8Array.of(0x7a, 1, 0x61), ALL);
  for (const text of ["\n\xff", "<html></html>", '"hello"', '{"error":1}', "OK", "\n\n"])
    check(bytes(text), undefined);
  check(toBinary(StatusSchema, create(StatusSchema, { code: 14, message: "queue is full" })), undefined);
});

test("rejected points and a message are read from JSON, whose numbers may be texts and whose keys may be unknown", () => {
  const check = (response: string, want: Acceptance | undefined): void =>
    assert.deepEqual(readAcceptance(bytes(response), "json"), want);
  check("{}", ALL);
  check('{"partialSuccess":{}}', ALL);
  const two = { rejectedPoints: 2, message: "too old" };
  check('{"partialSuccess":{"rejectedDataPoints":"2","errorMessage":"too old","more":[1]},"new":1}', two);
  check('{"partialSuccess":{"rejectedDataPoints":2,"errorMessage":"too old"}}', two);
  for (const text of ["[]", "null", "hello", '"hello"', ""]) check(text, undefined);
  for (const key of ["error", "errors", "code", "message", "Message", "status"])
    check(`{"${key}":"x"}`, undefined);
  check('{"partialSuccess":{"rejectedDataPoints":2,"errorMessage":"too old"},"status":"ok"}', two);
});

test("a status has a message, whatever its details", () => {
  const details = [anyPack(RetryInfoSchema, create(RetryInfoSchema, {}))];
  const status = toBinary(StatusSchema, create(StatusSchema, { code: 3, message: "bad", details }));
  assert.equal(readStatusMessage(status, "proto"), "bad");
  assert.equal(readStatusMessage(new Uint8Array(), "proto"), "");
  assert.equal(readStatusMessage(bytes("<html>"), "proto"), undefined);
  const json = '{"code":3,"message":"bad","details":[{"@type":"a.b/C","d":1}]}';
  assert.equal(readStatusMessage(bytes(json), "json"), "bad");
  assert.equal(readStatusMessage(bytes('{"message":7}'), "json"), undefined);
  assert.equal(readStatusMessage(bytes("null"), "json"), undefined);
});
