// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { reading, resource, writer } from "../../../test/kit/component/request_writer.ts";
import { testSettings } from "../../../test/kit/component/settings.ts";
import { answering, type PushServer, startPushServer } from "../../../test/kit/destinations/push_server.ts";
import { decodeRequestV2, decodeWriteRequest } from "../../../test/kit/oracle/remote_write.ts";
import { decodeSnappy } from "../../../test/kit/oracle/snappy.ts";
import type { Transport } from "../../delivery/push_exporter.ts";
import type { Answer } from "../../peer/answer.ts";
import { remoteWriteSchema } from "./config.ts";
import type { MessageVersion } from "./record.ts";
import { connectRemoteWrite } from "./transport.ts";

const T = 1_700_000_000_123;
const ROWS = [{ name: "a", points: Array.from({ length: 400 }, (_, index) => ({ item: `item_${index}` })) }];
const POINTS = 400;

/** A reading of 400 samples, whose request has more than half of the limit; a second later by `index`. */
function part(index: number, version: MessageVersion = 1): Uint8Array {
  const { consumer, requests } = writer({ version });
  consumer.consume(reading(resource("s1", { "k8s.pod.name": "x".repeat(60) }), ROWS, T + index * 1_000));
  return requests[0]?.bytes ?? assert.fail();
}

async function connected(context: TestContext, server: PushServer): Promise<Transport> {
  const config = remoteWriteSchema.parse({
    http: { endpoint: `${server.url}/api/v1/write` },
    max_batch_size_bytes: 65_536,
  });
  const transport = await connectRemoteWrite(config, testSettings({ id: "prometheus_remote_write" }));
  context.after(() => transport.close(AbortSignal.abort()));
  return transport;
}

/** By request, its samples' times in seconds after T. */
function secondsOf({ requests }: PushServer): number[][] {
  return requests.map(({ headers, body }) => {
    const isV2 = headers["x-prometheus-remote-write-version"] === "2.0.0";
    const samples = (isV2 ? decodeRequestV2 : decodeWriteRequest)(decodeSnappy(new Uint8Array(body)));
    assert.equal(samples.length, POINTS);
    return [...new Set(samples.map(({ timeMs }) => (timeMs - T) / 1_000))];
  });
}

function send(transport: Transport, parts: readonly Uint8Array[], points: number): Promise<Answer> {
  const bytes = parts.reduce((sum, { length }) => sum + length, 0);
  return transport.send({ parts, points, bytes }, new AbortController().signal);
}

const written = (count: number) =>
  answering(204, { "x-prometheus-remote-write-samples-written": `${count}` });

test("requests of a batch that were delivered are not sent again with the rest", async (context) => {
  const server = await startPushServer(context, {
    answers: [answering(204), answering(503), answering(204), answering(204)],
  });
  const transport = await connected(context, server);
  const batch = [part(1), part(2), part(3)];
  assert.equal((await send(transport, batch, 3 * POINTS)).kind, "busy");
  assert.deepEqual(await send(transport, batch, 3 * POINTS), {
    kind: "delivered",
    rejectedPoints: 0,
    message: "",
  });
  assert.deepEqual(secondsOf(server), [[1], [2], [2], [3]]);
});

test("each request goes out in the version in which it was queued", async (context) => {
  const server = await startPushServer(context, {
    answers: [answering(204), written(POINTS), answering(204)],
  });
  const transport = await connected(context, server);
  const answer = await send(transport, [part(1), part(2, 2), part(3)], 3 * POINTS);
  assert.deepEqual(answer, { kind: "delivered", rejectedPoints: 0, message: "" });
  assert.deepEqual(secondsOf(server), [[1], [2], [3]]);
  assert.deepEqual(
    server.requests.map(({ headers }) => headers["x-prometheus-remote-write-version"]),
    ["0.1.0", "2.0.0", "0.1.0"],
  );
});

test("samples that were not written are counted in points, also those of an earlier attempt", async (context) => {
  const server = await startPushServer(context, {
    answers: [written(POINTS - 100), answering(503), written(POINTS - 60)],
  });
  const transport = await connected(context, server);
  const batch = [part(1, 2), part(2, 2)];
  // Each point counts as eight samples here.
  const points = (2 * POINTS) / 8;
  assert.equal((await send(transport, batch, points)).kind, "busy");
  assert.partialDeepStrictEqual(await send(transport, batch, points), { rejectedPoints: 20 });
});

test("a request of an unknown format is reported, after those before it were sent", async (context) => {
  const server = await startPushServer(context, { answers: [answering(204)] });
  const transport = await connected(context, server);
  const unknown = Uint8Array.of(0, 9, 9);
  const answer = await send(transport, [part(1), unknown], POINTS);
  assert.partialDeepStrictEqual(answer, { kind: "split", status: "unknown_format" });
  assert.deepEqual(secondsOf(server), [[1]]);
});
