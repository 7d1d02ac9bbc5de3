// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { gunzipSync } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import { createTestAuthority } from "../../../test/kit/certificates.ts";
import { gaugeReading, runningExporter } from "../../../test/kit/component/exporter.ts";
import { lineOf } from "../../../test/kit/component/logs.ts";
import { answering, type PushServer, startPushServer } from "../../../test/kit/destinations/push_server.ts";
import { hasProgram, peerIsThere } from "../../../test/kit/peers.ts";
import { poll } from "../../../test/kit/poll.ts";
import { ExportMetricsServiceRequestSchema } from "../../otlp/generated/opentelemetry/proto/metrics/v1/metrics_pb.ts";
import { factory } from "./factory.ts";

const exporting = (context: TestContext, input: object) =>
  runningExporter(context, factory, { id: "otlp_http", config: input });

const requestsOf = (server: PushServer, count: number) =>
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

test("a reading is posted to the metrics path, compressed, with its headers", async (context) => {
  const server = await startPushServer(context);
  const { exporter } = await exporting(context, {
    endpoint: server.url,
    headers: { Authorization: "Bearer abc" },
  });
  exporter.consume(gaugeReading("s1", new Array(3).fill(4.5)));
  const [request] = await requestsOf(server, 1);
  assert.equal(request?.method, "POST");
  assert.equal(request?.path, "/v1/metrics");
  assert.partialDeepStrictEqual(request?.headers, {
    authorization: "Bearer abc",
    "content-type": "application/x-protobuf",
    "content-encoding": "gzip",
  });
  assert.deepEqual(pointsOf(gunzipSync(request?.body ?? Buffer.alloc(0))), [4.5, 4.5, 4.5]);
});

test("a unix socket is an endpoint, and JSON an encoding", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "otlp-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const server = await startPushServer(context, { socketPath: join(folder, "otlp.sock") });
  const { exporter } = await exporting(context, {
    endpoint: server.url,
    encoding: "json",
    compression: "none",
  });
  exporter.consume(gaugeReading("s1", [1, 1]));
  const [request] = await requestsOf(server, 1);
  assert.equal(request?.path, "/v1/metrics");
  assert.equal(request?.headers["content-type"], "application/json");
  const { resourceMetrics } = JSON.parse(String(request?.body));
  assert.equal(resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints.length, 2);
});

test("503 is tried again with the same bytes, after the pause that the server asked for", async (context) => {
  const busy = answering(
    503,
    { "retry-after": "1", "content-type": "application/json" },
    '{"message":"busy"}',
  );
  const server = await startPushServer(context, { answers: [busy, answering(200)] });
  const { exporter, lines } = await exporting(context, { endpoint: server.url });
  exporter.consume(gaugeReading("s1", [1, 1]));
  const line = await lineOf(lines, "The destination takes no data; retrying.");
  assert.equal(line["error"], `${server.url}/v1/metrics: 503 Service Unavailable: busy`);
  assert.match(String(line["retry_in"]), /^1(\.\d+)?s$/, "and not the 20 ms of the configuration");
  const [first, second] = await requestsOf(server, 2);
  assert.deepEqual(first?.body, second?.body);
});

test("400 for one reading is not tried again, and its reason is logged", async (context) => {
  const refusal = answering(400, { "content-type": "text/plain" }, "no such tenant");
  const server = await startPushServer(context, { answers: [refusal, answering(200)] });
  const { exporter, lines } = await exporting(context, { endpoint: server.url });
  exporter.consume(gaugeReading("s1", [1, 1]));
  const line = await lineOf(lines, "Exporting failed. Dropping data.");
  assert.equal(
    line["error"],
    `not retryable error: ${server.url}/v1/metrics: 400 Bad Request: no such tenant`,
  );
  assert.equal(line["dropped_items"], 2);
  assert.equal(server.requests.length, 1);
});

test("rejected points are logged with the receiver's words", async (context) => {
  const body = '{"partialSuccess":{"rejectedDataPoints":"2","errorMessage":"too old"}}';
  const answer = answering(200, { "content-type": "application/json" }, body);
  const server = await startPushServer(context, { answers: [answer] });
  const { exporter, lines } = await exporting(context, { endpoint: server.url });
  exporter.consume(gaugeReading("s1", [1, 1, 1, 1, 1]));
  const line = await lineOf(lines, "Partial success: the receiver rejected data.");
  assert.equal(line["error"], "too old");
  assert.equal(line["dropped_items"], 2);
});

test("an attempt to a server that hangs ends at the deadline, and the request is sent again", async (context) => {
  const server = await startPushServer(context, { answers: [() => {}, answering(200)] });
  const { exporter, lines } = await exporting(context, { endpoint: server.url, timeout: "50ms" });
  exporter.consume(gaugeReading("s1", [1]));
  await requestsOf(server, 2);
  const line = await lineOf(lines, "The destination takes no data; retrying.");
  assert.equal(line["error"], `${server.url}/v1/metrics: no answer within 50 ms`);
});

test("a shutdown sends waiting readings, logs those that it could not send, and may come without a start", async (context) => {
  const server = await startPushServer(context);
  const { exporter } = await exporting(context, { endpoint: server.url, compression: "none" });
  exporter.consume(gaugeReading("s1", [1]));
  exporter.end({ resource: gaugeReading("s1", [1]).resource, timeMs: Date.now() });
  await exporter.shutdown(AbortSignal.timeout(10_000));
  const [request] = server.requests;
  const entries = fromBinary(ExportMetricsServiceRequestSchema, request?.body ?? new Uint8Array());
  assert.equal(entries.resourceMetrics.length, 2, "the reading and its end");
  await poll("connections to end", () => (server.sockets.size === 0 ? true : undefined));

  const down = await exporting(context, { endpoint: "unix:///nonexistent/otlp.sock" });
  down.exporter.consume(gaugeReading("s1", [1, 1, 1, 1, 1, 1]));
  await down.exporter.shutdown(AbortSignal.timeout(10_000));
  const line = await lineOf(down.lines, "Exporting failed. Dropping data.");
  assert.equal(line["reason"], "shutdown");
  assert.equal(line["dropped_items"], 6);
});

test("a reload reads the certificates again", async (context) => {
  if (!peerIsThere(context, "openssl", hasProgram("openssl", "version"))) return;
  const authority = createTestAuthority();
  context.after(() => authority.remove());
  authority.issue("server", "IP:127.0.0.1");
  authority.issue("client", "DNS:first.test");
  const pem = (name: string): Buffer => readFileSync(authority.file(name));
  const names: string[] = [];
  const server = await startPushServer(context, {
    tls: {
      cert: pem("server.crt"),
      key: pem("server.key"),
      ca: pem("ca.crt"),
      requestCert: true,
    },
    answers: [
      ({ socket }, response) => {
        names.push(String((socket as TLSSocket).getPeerCertificate().subjectaltname));
        response.end();
      },
    ],
  });
  const { exporter } = await exporting(context, {
    endpoint: server.url,
    tls: {
      ca_file: authority.file("ca.crt"),
      cert_file: authority.file("client.crt"),
      key_file: authority.file("client.key"),
    },
  });
  exporter.consume(gaugeReading("s1", [1]));
  await requestsOf(server, 1);
  authority.issue("client", "DNS:second.test");
  await exporter.refresh?.();
  exporter.consume(gaugeReading("s1", [1]));
  await requestsOf(server, 2);
  assert.deepEqual(names, ["DNS:first.test", "DNS:second.test"]);
  assert.equal(server.connections(), 2);
});

test("series that end are marked unless staleness_markers is off", async (context) => {
  const check = async (input: object, want: readonly number[]): Promise<void> => {
    const server = await startPushServer(context);
    const config = { endpoint: server.url, compression: "none", ...input };
    const { exporter } = await exporting(context, config);
    const readings = [gaugeReading("s1", [1, 2], 1_000), gaugeReading("s1", [3], 2_000)] as const;
    for (const reading of readings) exporter.consume(reading);
    exporter.end({ resource: readings[1].resource, timeMs: 3_000 });
    await exporter.shutdown(AbortSignal.timeout(10_000));
    assert.deepEqual(
      server.requests.flatMap(({ body }) => pointsOf(body)),
      want,
    );
  };
  const ended = Number.NaN;
  await check({}, [1, 2, ended, 3, ended]);
  await check({ staleness_markers: false }, [1, 2, 3]);
});
