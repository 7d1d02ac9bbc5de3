// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { JsonMetricsSerializer, ProtobufMetricsSerializer } from "@opentelemetry/otlp-transformer";
import { toSdkMetrics } from "../../../test/kit/oracle/otel_sdk.ts";
import { Interner } from "../../metrics/interner.ts";
import type { Reading } from "../../metrics/model.ts";
import { createOtlpEncoder } from "../../otlp/encode.ts";
import {
  type ExportMetricsServiceRequest,
  ExportMetricsServiceRequestSchema,
} from "../../otlp/generated/opentelemetry/proto/metrics/v1/metrics_pb.ts";
import { PageParser } from "../../prometheus/parse/page_parser.ts";
import { defaultParseLimits } from "../../prometheus/parse/parse_limits.ts";
import { createPage } from "../../simulator/pages.ts";
import { bodyFormat } from "./body.ts";

const SCOPE = { name: "kata-collector", version: "1.2.3" };
const NEVER = new AbortController().signal;

/** What a shim of Kata's Go runtime says in one scrape, without the summaries that the SDK has no word for. */
function realReading(): Reading {
  const interner = new Interner();
  const page = createPage({ flavor: "go", seed: 1 }).render();
  const source = new PageParser({ interner, limits: defaultParseLimits }).source([]);
  const { schema, values } = source.parse(page, page.length);
  const families = schema.families.filter(({ kind }) => kind !== "summary");
  const rows = schema.families.flatMap((family, index) => {
    const from = schema.offsets[index] ?? 0;
    return family.kind === "summary" ? [] : [...values.subarray(from, from + family.width)];
  });
  const resource = { key: "s1", attributes: [{ key: "kata.sandbox.id", value: "s1" }] };
  return {
    resource,
    schema: interner.schema(families),
    values: Float64Array.from(rows),
    timeMs: 1_700_000_000_123,
    startMs: 1_699_999_000_000,
  };
}

const reading = realReading();
const encoder = createOtlpEncoder(SCOPE);
const [request] = encoder.encode([encoder.reading(reading, undefined)], 4_000_000);
const bytes = request?.bytes ?? assert.fail();
const sdkMetrics = toSdkMetrics(reading, SCOPE);

/** The SDK gives gauges a start time as well. */
function normalized(message: ExportMetricsServiceRequest): ExportMetricsServiceRequest {
  for (const { scopeMetrics } of message.resourceMetrics)
    for (const { metrics } of scopeMetrics)
      for (const { data } of metrics)
        if (data.case === "gauge") for (const point of data.value.dataPoints) point.startTimeUnixNano = 0n;
  return message;
}

const decode = (message: Uint8Array): ExportMetricsServiceRequest =>
  normalized(fromBinary(ExportMetricsServiceRequestSchema, message));
const decodeJson = (message: Uint8Array): ExportMetricsServiceRequest =>
  normalized(fromJsonString(ExportMetricsServiceRequestSchema, Buffer.from(message).toString()));

test("a body says the same as the OpenTelemetry SDK's, in protobuf and in JSON", async () => {
  const proto = await bodyFormat("proto", undefined).encode(bytes, NEVER);
  const theirs = ProtobufMetricsSerializer.serializeRequest(sdkMetrics) ?? assert.fail();
  assert.deepEqual(decode(proto), decode(theirs));
  const json = await bodyFormat("json", undefined).encode(bytes, NEVER);
  const theirJson = JsonMetricsSerializer.serializeRequest(sdkMetrics) ?? assert.fail();
  assert.deepEqual(decodeJson(json), decodeJson(theirJson));
  assert.deepEqual(decodeJson(json), decode(proto));
});

test("bodies are compressed as their headers say", async () => {
  const gzip = bodyFormat("proto", { codec: "gzip", level: undefined });
  assert.deepEqual(gzip.headers, {
    "content-type": "application/x-protobuf",
    "content-encoding": "gzip",
  });
  const packed = await gzip.encode(bytes, NEVER);
  assert.deepEqual(decode(gunzipSync(packed)), decode(bytes));
  assert.ok(packed.length * 5 < bytes.length, `${packed.length} of ${bytes.length} bytes`);

  const zstd = bodyFormat("json", { codec: "zstd", level: 9 });
  assert.deepEqual(zstd.headers, { "content-type": "application/json", "content-encoding": "zstd" });
  assert.deepEqual(decodeJson(zstdDecompressSync(await zstd.encode(bytes, NEVER))), decode(bytes));

  const plain = bodyFormat("proto", undefined);
  assert.deepEqual(plain.headers, { "content-type": "application/x-protobuf" });
  assert.equal(await plain.encode(bytes, NEVER), bytes);
});

test("a level changes the size", async () => {
  for (const codec of ["gzip", "zstd"] as const) {
    const [fast, small] = await Promise.all(
      [1, 9].map((level) => bodyFormat("proto", { codec, level }).encode(bytes, NEVER)),
    );
    assert.ok((small?.length ?? 0) < (fast?.length ?? 0), codec);
  }
});

test("encoding ends when its time is over, and tells bytes that are no request", async () => {
  const json = bodyFormat("json", undefined);
  await assert.rejects(json.encode(bytes, AbortSignal.abort()), /abort/i);
  await assert.rejects(json.encode(Uint8Array.of(0x0a, 0x05, 1), NEVER));
});
