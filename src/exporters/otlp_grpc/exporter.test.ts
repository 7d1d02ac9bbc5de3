// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttp2Server, type IncomingHttpHeaders } from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, status } from "@grpc/grpc-js";
import { gaugeReading, runningExporter } from "../../../test/kit/component/exporter.ts";
import { lineOf } from "../../../test/kit/component/logs.ts";
import {
  type Answer,
  OK,
  type OtlpServer,
  type OtlpServerOptions,
  startOtlpServer,
} from "../../../test/kit/destinations/otlp_server.ts";
import { poll } from "../../../test/kit/poll.ts";
import { RetryInfoSchema } from "../../otlp/generated/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../otlp/generated/google/rpc/status_pb.ts";
import { ExportMetricsServiceResponseSchema } from "../../otlp/generated/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.ts";
import { ExportMetricsServiceRequestSchema } from "../../otlp/generated/opentelemetry/proto/metrics/v1/metrics_pb.ts";
import { factory } from "./factory.ts";

const exporting = (context: TestContext, input: object) =>
  runningExporter(context, factory, { id: "otlp_grpc", config: { tls: { insecure: true }, ...input } });

async function serving(context: TestContext, options: OtlpServerOptions = {}): Promise<OtlpServer> {
  const server = await startOtlpServer(options);
  context.after(() => server.close());
  return server;
}

const requestsOf = (server: OtlpServer, count: number) =>
  poll(`${count} requests`, () => (server.requests.length >= count ? server.requests : undefined));

function pointsOf(bytes: Uint8Array): number[] {
  return fromBinary(ExportMetricsServiceRequestSchema, bytes).resourceMetrics.flatMap(({ scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap(({ data }) =>
        data.case === "gauge" ? data.value.dataPoints.map(({ value }) => Number(value.value)) : [],
      ),
    ),
  );
}

function failing(code: status, details: string, trailer = new Metadata()): Answer {
  return (_call, reply) => reply({ code, details, metadata: trailer });
}

function retryInfo(ms: number): Metadata {
  const retryDelay = { seconds: 0n, nanos: ms * 1e6 };
  const detail = anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay }));
  const details = toBinary(StatusSchema, create(StatusSchema, { code: 8, details: [detail] }));
  const trailer = new Metadata();
  trailer.set("grpc-status-details-bin", Buffer.from(details));
  return trailer;
}

test("a reading arrives with its headers", async (context) => {
  const server = await serving(context);
  const { exporter } = await exporting(context, {
    endpoint: server.endpoint,
    headers: { Authorization: "Bearer abc" },
  });
  exporter.consume(gaugeReading("s1", new Array(3).fill(4.5)));
  const [request] = await requestsOf(server, 1);
  assert.deepEqual(pointsOf(request?.bytes ?? Buffer.alloc(0)), [4.5, 4.5, 4.5]);
  assert.deepEqual(request?.metadata.get("authorization"), ["Bearer abc"]);
  assert.match(String(request?.metadata.get("user-agent")), /^kata-collector\/1\.2\.3$/);
});

/** The first request on the wire: its headers, and the message in gRPC's frame. */
async function wireOf(context: TestContext, input: (port: number) => object) {
  const server = createHttp2Server();
  const received = new Promise<{ headers: IncomingHttpHeaders; frame: Buffer }>((resolve) => {
    server.on("stream", (stream, headers) => {
      stream.toArray().then(
        (chunks) => resolve({ headers, frame: Buffer.concat(chunks) }),
        () => {},
      );
    });
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
  const { exporter } = await exporting(context, input(port));
  exporter.consume(gaugeReading("s1", new Array(3).fill(4.5)));
  const { headers, frame } = await received;
  await exporter.shutdown(AbortSignal.abort());
  server.close();
  return { headers, compressed: frame[0] === 1, message: frame.subarray(5) };
}

test("requests are compressed unless told otherwise", async (context) => {
  const gzip = await wireOf(context, (port) => ({ endpoint: `127.0.0.1:${port}` }));
  assert.equal(gzip.headers["grpc-encoding"], "gzip");
  assert.ok(gzip.compressed);
  assert.deepEqual(pointsOf(gunzipSync(gzip.message)), [4.5, 4.5, 4.5]);

  const plain = await wireOf(context, (port) => ({
    endpoint: `http://127.0.0.1:${port}`,
    tls: {},
    compression: "none",
  }));
  assert.equal(plain.compressed, false);
  assert.deepEqual(pointsOf(plain.message), [4.5, 4.5, 4.5]);
});

test("authority, user agent and deadline reach the server", async (context) => {
  const { headers } = await wireOf(context, (port) => ({
    endpoint: `127.0.0.1:${port}`,
    authority: "otel.example.org",
    user_agent: "me",
    timeout: "7s",
  }));
  assert.equal(headers[":authority"], "otel.example.org");
  assert.match(String(headers["user-agent"]), /^me$/);
  assert.match(String(headers["grpc-timeout"]), /^(6\d{3}m|7S|7000m)$/);
  const patient = await wireOf(context, (port) => ({ endpoint: `127.0.0.1:${port}`, timeout: "0s" }));
  assert.equal(patient.headers["grpc-timeout"], undefined, "no deadline");
});

test("a unix socket is an endpoint", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "otlp-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "otlp.sock");
  const server = await serving(context, { address: `unix:${path}` });
  const { exporter } = await exporting(context, { endpoint: `unix://${path}` });
  exporter.consume(gaugeReading("s1", [1, 1]));
  assert.equal((await requestsOf(server, 1)).length, 1);
});

test("UNAVAILABLE is tried again, with the same bytes", async (context) => {
  const server = await serving(context, { answers: [failing(status.UNAVAILABLE, "not now"), OK] });
  const { exporter, lines } = await exporting(context, { endpoint: server.endpoint });
  exporter.consume(gaugeReading("s1", [1, 1]));
  const [first, second] = await requestsOf(server, 2);
  assert.deepEqual(first?.bytes, second?.bytes);
  const line = await lineOf(lines, "The destination takes no data; retrying.");
  assert.equal(line["error"], `${server.endpoint}: UNAVAILABLE: not now`);
});

test("RESOURCE_EXHAUSTED is tried again only where the server says when", async (context) => {
  const server = await serving(context, {
    answers: [
      failing(status.RESOURCE_EXHAUSTED, "slow down", retryInfo(150)),
      failing(status.RESOURCE_EXHAUSTED, "full"),
    ],
  });
  const { exporter, lines } = await exporting(context, { endpoint: server.endpoint });
  exporter.consume(gaugeReading("s1", [1, 1]));
  const retry = await lineOf(lines, "The destination takes no data; retrying.");
  assert.match(String(retry["retry_in"]), /^1[56]\dms$/, "what the server asked for, and not 20 ms");
  const dropped = await lineOf(lines, "Exporting failed. Dropping data.");
  assert.equal(dropped["error"], `not retryable error: ${server.endpoint}: RESOURCE_EXHAUSTED: full`);
  assert.equal(dropped["dropped_items"], 2);
  assert.equal(server.requests.length, 2);
});

test("a reading that is refused alone is dropped, and nothing else", async (context) => {
  const server = await serving(context, { answers: [failing(status.INVALID_ARGUMENT, "no"), OK] });
  const { exporter, lines } = await exporting(context, { endpoint: server.endpoint });
  exporter.consume(gaugeReading("s1", [1, 1]));
  const line = await lineOf(lines, "Exporting failed. Dropping data.");
  assert.equal(line["reason"], "permanent");
  assert.equal(server.requests.length, 1);
});

test("while credentials or the address are wrong, data is kept", async (context) => {
  for (const code of [status.UNAUTHENTICATED, status.PERMISSION_DENIED, status.UNIMPLEMENTED]) {
    const server = await serving(context, { answers: [failing(code, "no"), OK] });
    const { exporter, lines } = await exporting(context, { endpoint: server.endpoint });
    exporter.consume(gaugeReading("s1", [1, 1]));
    assert.equal((await requestsOf(server, 2)).length, 2);
    const line = lines.find(({ msg }) => String(msg).startsWith("The destination refuses the exporter"));
    assert.equal(line?.["error"], `${server.endpoint}: ${status[code]}: no`);
  }
});

test("rejected points are logged with the receiver's words", async (context) => {
  const answer: Answer = (_call, reply) => {
    const partialSuccess = { rejectedDataPoints: 2n, errorMessage: "too old" };
    const response = create(ExportMetricsServiceResponseSchema, { partialSuccess });
    reply(null, Buffer.from(toBinary(ExportMetricsServiceResponseSchema, response)));
  };
  const server = await serving(context, { answers: [answer] });
  const { exporter, lines } = await exporting(context, { endpoint: server.endpoint });
  exporter.consume(gaugeReading("s1", [1, 1, 1, 1, 1]));
  const line = await lineOf(lines, "Partial success: the receiver rejected data.");
  assert.equal(line["error"], "too old");
  assert.equal(line["dropped_items"], 2);
});

test("an answer that cannot be decoded loses nothing", async (context) => {
  const server = await serving(context, {
    answers: [(_call, reply) => reply(null, Buffer.from("\x0a\xff"))],
  });
  const { exporter, lines } = await exporting(context, { endpoint: server.endpoint });
  exporter.consume(gaugeReading("s1", [1, 1, 1, 1, 1]));
  const line = await lineOf(lines, "The receiver took the data with a warning.");
  assert.match(String(line["message"]), /cannot be decoded/);
});

test("attempts to a server that hangs end at the deadline, and after some of them a new connection is made", async (context) => {
  const peers = new Set<string>();
  const hang: Answer = (call) => peers.add(call.getPeer());
  const server = await serving(context, { answers: [hang, hang, hang, hang, OK] });
  const { exporter, lines } = await exporting(context, { endpoint: server.endpoint, timeout: "50ms" });
  exporter.consume(gaugeReading("s1", [1]));
  await requestsOf(server, 5);
  const line = await lineOf(lines, "The destination takes no data; retrying.");
  assert.match(String(line["error"]), /^127\.0\.0\.1:\d+: DEADLINE_EXCEEDED: /);
  assert.equal(peers.size, 2);
});

test("an absent server is tried again until it is there", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "otlp-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "late.sock");
  const { exporter, lines } = await exporting(context, { endpoint: `unix://${path}` });
  exporter.consume(gaugeReading("s1", [1]));
  const line = await lineOf(lines, "The destination takes no data; retrying.");
  assert.match(String(line["error"]), /^unix:\S+late\.sock: UNAVAILABLE: .*ENOENT/);
  const server = await serving(context, { address: `unix:${path}` });
  await requestsOf(server, 1);
});

test("a reading that is larger than a message is sent in several, all under 4 MiB", async (context) => {
  const server = await serving(context);
  const { exporter } = await exporting(context, { endpoint: server.endpoint });
  const count = 60;
  for (let i = 0; i < count; i++) exporter.consume(gaugeReading(String(i), new Array(2_000).fill(i)));
  await exporter.shutdown(AbortSignal.timeout(10_000));
  assert.ok(server.requests.length >= 2);
  const got = server.requests.flatMap(({ bytes }) => pointsOf(bytes));
  assert.equal(got.length, count * 2_000);
  assert.equal(
    got.reduce((sum, value) => sum + value, 0),
    ((count * (count - 1)) / 2) * 2_000,
  );
});

test("a shutdown sends waiting readings, logs those that it could not send, and may come without a start", async (context) => {
  const server = await serving(context);
  const { exporter, lines } = await exporting(context, { endpoint: server.endpoint });
  exporter.consume(gaugeReading("s1", [1]));
  exporter.end({ resource: gaugeReading("s1", [1]).resource, timeMs: Date.now() });
  await exporter.shutdown(AbortSignal.timeout(10_000));
  const [request] = server.requests;
  const entries = fromBinary(ExportMetricsServiceRequestSchema, request?.bytes ?? new Uint8Array());
  assert.equal(entries.resourceMetrics.length, 2, "the reading and its end");
  exporter.consume(gaugeReading("s1", [1]));
  assert.equal((await lineOf(lines, "Exporting failed. Rejecting data."))["rejected_items"], 1);

  const down = await exporting(context, { endpoint: "unix:///nonexistent/otlp.sock" });
  down.exporter.consume(gaugeReading("s1", [1, 1, 1, 1, 1, 1]));
  await down.exporter.shutdown(AbortSignal.timeout(10_000));
  const line = await lineOf(down.lines, "Exporting failed. Dropping data.");
  assert.equal(line["reason"], "shutdown");
  assert.equal(line["dropped_items"], 6);
});

test("series that end are marked unless staleness_markers is off", async (context) => {
  const check = async (input: object, want: readonly number[]): Promise<void> => {
    const server = await serving(context);
    const { exporter } = await exporting(context, { endpoint: server.endpoint, ...input });
    const readings = [gaugeReading("s1", [1, 2], 1_000), gaugeReading("s1", [3], 2_000)] as const;
    for (const reading of readings) exporter.consume(reading);
    exporter.end({ resource: readings[1].resource, timeMs: 3_000 });
    await exporter.shutdown(AbortSignal.timeout(10_000));
    assert.deepEqual(
      server.requests.flatMap(({ bytes }) => pointsOf(bytes)),
      want,
    );
  };
  const ended = Number.NaN;
  await check({}, [1, 2, ended, 3, ended]);
  await check({ staleness_markers: false }, [1, 2, 3]);
});
