// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { uncompress } from "snappyjs";
import { gaugeReading, runningExporter } from "../../../test/kit/component/exporter.ts";
import { lineOf } from "../../../test/kit/component/logs.ts";
import { answering, type PushServer, startPushServer } from "../../../test/kit/destinations/push_server.ts";
import {
  decodeRequestV2,
  decodeWriteRequest,
  keyOf,
  type WrittenSample,
} from "../../../test/kit/oracle/remote_write.ts";
import { poll } from "../../../test/kit/poll.ts";
import { factory } from "./factory.ts";

const T = 1_700_000_000_000;

function exporting(context: TestContext, server: PushServer, input: object = {}) {
  const config = { endpoint: `${server.url}/api/v1/write`, ...input };
  return runningExporter(context, factory, { id: "prometheus_remote_write", config });
}

const requestsOf = (server: PushServer, count: number) =>
  poll(`${count} requests`, () => (server.requests.length >= count ? server.requests : undefined));

const samplesOf = (body: Uint8Array | undefined): WrittenSample[] =>
  decodeWriteRequest(uncompress(new Uint8Array(body ?? [])));

test("a reading is written as remote write 1.0 says", async (context) => {
  const server = await startPushServer(context, { answers: [answering(204)] });
  const headers = { "X-Scope-OrgID": "team" };
  const { exporter } = await exporting(context, server, { headers, external_labels: { cluster: "c" } });
  exporter.consume(gaugeReading("s1", [4.5, 4.5], T));
  const [request] = await requestsOf(server, 1);
  assert.equal(request?.method, "POST");
  assert.equal(request?.path, "/api/v1/write");
  assert.partialDeepStrictEqual(request?.headers, {
    "content-encoding": "snappy",
    "content-type": "application/x-protobuf",
    "x-prometheus-remote-write-version": "0.1.0",
    "x-scope-orgid": "team",
  });
  assert.match(String(request?.headers["user-agent"]), /^kata-collector\/1\.2\.3 /);
  assert.deepEqual(
    samplesOf(request?.body).map(({ labels, value, timeMs }) => `${keyOf(labels)} ${value} ${timeMs}`),
    [0, 1].map((index) => `kata_guest_load{cluster="c",item="item_${index}",sandbox_id="s1"} 4.5 ${T}`),
  );
});

test("readings go out together, in their order, one request after the other", async (context) => {
  const server = await startPushServer(context);
  const { exporter } = await exporting(context, server, { max_batch_size_bytes: 65_536 });
  for (let index = 0; index < 50; index++)
    exporter.consume(gaugeReading("s1", new Array(100).fill(4.5), T + index));
  await exporter.shutdown(AbortSignal.timeout(10_000));
  assert.ok(server.requests.length > 1);
  assert.ok(server.requests.length < 25);
  assert.equal(server.connections(), 1);
  const times = server.requests.flatMap(({ body }) => {
    const bytes = uncompress(new Uint8Array(body));
    assert.ok(bytes.length <= 65_536);
    return decodeWriteRequest(bytes).map(({ timeMs }) => timeMs);
  });
  assert.equal(times.length, 5_000);
  assert.deepEqual(times, times.toSorted());
});

test("a failed request is retried with the same bytes; a refused one is not retried, and is logged", async (context) => {
  const server = await startPushServer(context, {
    answers: [
      answering(500, {}, "try later"),
      answering(429, { "retry-after": "1" }),
      answering(400, { "content-type": "text/plain" }, "out of order sample\n"),
    ],
  });
  const { exporter, lines } = await exporting(context, server);
  exporter.consume(gaugeReading("s1", [4.5, 4.5, 4.5], T));
  const line = await lineOf(lines, "Exporting failed. Dropping data.");
  assert.equal(
    line["error"],
    `not retryable error: ${server.url}/api/v1/write: 400 Bad Request: out of order sample`,
  );
  assert.equal(line["dropped_items"], 3);
  const [first, second, third] = server.requests;
  assert.deepEqual(first?.body, second?.body);
  assert.deepEqual(first?.body, third?.body);
});

test("each reading is a request of remote write 2.0", async (context) => {
  const written = { "x-prometheus-remote-write-samples-written": "2" };
  const server = await startPushServer(context, { answers: [answering(204, written)] });
  const { exporter } = await exporting(context, server, {
    protobuf_message: "io.prometheus.write.v2.Request",
  });
  for (const id of ["s1", "s2"]) exporter.consume(gaugeReading(id, [4.5, 4.5], T));
  const requests = await requestsOf(server, 2);
  for (const { headers } of requests)
    assert.partialDeepStrictEqual(headers, {
      "content-encoding": "snappy",
      "content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
      "x-prometheus-remote-write-version": "2.0.0",
    });
  const samples = requests.map(({ body }) => decodeRequestV2(uncompress(new Uint8Array(body))));
  assert.deepEqual(
    samples.map((some) => some.map(({ labels, metadata }) => `${keyOf(labels)} ${metadata.help}`)),
    ["s1", "s2"].map((id) =>
      [0, 1].map((index) => `kata_guest_load{item="item_${index}",sandbox_id="${id}"} Load.`),
    ),
  );
});

test("samples that a receiver of 2.0 has not written are lost, and its reason is logged", async (context) => {
  const written = { "x-prometheus-remote-write-samples-written": "1" };
  const server = await startPushServer(context, { answers: [answering(200, written, "too old")] });
  const { exporter, lines } = await exporting(context, server, {
    protobuf_message: "io.prometheus.write.v2.Request",
  });
  exporter.consume(gaugeReading("s1", [4.5, 4.5, 4.5], T));
  const line = await lineOf(lines, "Partial success: the receiver rejected data.");
  assert.partialDeepStrictEqual(line, { error: "too old", dropped_items: 2 });
});

test("an answer that does not come from a receiver delivers nothing, and the request is retried", async (context) => {
  const page = answering(200, { "content-type": "text/html" }, "<html>");
  const server = await startPushServer(context, { answers: [page, page, answering(204)] });
  const { exporter, lines } = await exporting(context, server);
  exporter.consume(gaugeReading("s1", [4.5], T));
  await requestsOf(server, 3);
  const line = await lineOf(
    lines,
    "The destination refuses the exporter; check its address and credentials. The data is kept and tried again.",
  );
  assert.match(String(line["error"]), /200 OK: an answer of type "text\/html" is not the receiver's/);
});

test("when a sandbox ends, its series end", async (context) => {
  const server = await startPushServer(context);
  const { exporter } = await exporting(context, server);
  exporter.consume(gaugeReading("s1", [4.5, 4.5], T));
  exporter.end({ resource: gaugeReading("s1", [4.5, 4.5], T).resource, timeMs: T + 100 });
  await exporter.shutdown(AbortSignal.timeout(10_000));
  const [request] = server.requests;
  const samples = samplesOf(request?.body);
  assert.deepEqual(
    samples.map(({ isStale, timeMs }) => [isStale, timeMs]),
    [
      [false, T],
      [false, T],
      [true, T + 100],
      [true, T + 100],
    ],
  );
});

test("collisions are logged", async (context) => {
  const server = await startPushServer(context);
  const { exporter, lines } = await exporting(context, server, {
    resource_labels: { item: "kata.sandbox.id" },
  });
  exporter.consume(gaugeReading("s1", [4.5], T));
  const line = await lineOf(lines, "Metrics that collide are not written as their sources have them.");
  assert.deepEqual(line["names"], ["kata_guest_load (label)"]);
  const [request] = await requestsOf(server, 1);
  assert.equal(
    keyOf(samplesOf(request?.body)[0]?.labels ?? []),
    'kata_guest_load{exported_item="item_0",item="s1"}',
  );
});
