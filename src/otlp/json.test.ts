// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { Interner } from "../metrics/interner.ts";
import { type Kind, pointWidth, type Reading } from "../metrics/model.ts";
import { createOtlpEncoder } from "./encode.ts";
import { ExportMetricsServiceRequestSchema } from "./generated/opentelemetry/proto/metrics/v1/metrics_pb.ts";
import { requestJson } from "./json.ts";

const interner = new Interner();
const encoder = createOtlpEncoder({ name: "test", version: "0" });

function reading(id: string, kind: Kind, values: readonly number[]): Reading {
  const bounds = kind === "histogram" || kind === "summary" ? [0.5, 1] : [];
  const point = { attributes: [{ key: "ünit", value: 'a"b\n' }], bounds, boundTexts: bounds.map(String) };
  assert.equal(values.length, pointWidth(kind, bounds.length));
  const family = interner.family({ name: `a_${kind}`, kind, unit: "By", help: "Help.", points: [point] });
  const resource = { key: id, attributes: [{ key: "kata.sandbox.id", value: id }] };
  const schema = interner.schema([family]);
  return { resource, schema, values: Float64Array.from(values), timeMs: 1_700_000_000_123, startMs: 1_000 };
}

function encode(...readings: readonly Reading[]): Uint8Array {
  const [request] = encoder.encode(
    readings.map((one) => encoder.reading(one, undefined)),
    4_000_000,
  );
  return request?.bytes ?? new Uint8Array(0);
}

function jsonOf(bytes: Uint8Array): string {
  return [...requestJson(bytes)].join("");
}

test("JSON has what was encoded, for all kinds and numbers", () => {
  const bytes = encode(
    reading("s1", "gauge", [1.5]),
    reading("s2", "sum", [Number.NaN]),
    reading("s3", "histogram", [1, 3, 4, 5.5, 4]),
    reading("s4", "summary", [0.25, Number.POSITIVE_INFINITY, 3, 2]),
    reading("s5", "unknown", [Number.NEGATIVE_INFINITY]),
  );
  const read = fromJsonString(ExportMetricsServiceRequestSchema, jsonOf(bytes));
  assert.deepEqual(read, fromBinary(ExportMetricsServiceRequestSchema, bytes));
});

test("names are in camel case, 64-bit integers are texts, enumerations are numbers, NaN has a name", () => {
  const { resourceMetrics } = JSON.parse(
    jsonOf(encode(reading("s1", "sum", [7]), reading("s2", "sum", [Number.NaN]))),
  );
  const [{ sum }] = resourceMetrics[0].scopeMetrics[0].metrics;
  assert.equal(sum.aggregationTemporality, 2);
  assert.equal(sum.dataPoints[0].timeUnixNano, "1700000000123000000");
  assert.equal(sum.dataPoints[0].asDouble, 7);
  assert.equal(resourceMetrics[1].scopeMetrics[0].metrics[0].sum.dataPoints[0].asDouble, "NaN");
});

test("the text has a part for each resource, and one for the end", () => {
  const parts = [...requestJson(encode(reading("s1", "gauge", [1]), reading("s2", "gauge", [2])))];
  assert.equal(parts.length, 3);
  assert.equal(parts[2], "]}");
});

test("an empty request is an empty list; bytes that are no request throw", () => {
  assert.equal(jsonOf(new Uint8Array(0)), '{"resourceMetrics":[]}');
  assert.throws(() => jsonOf(Uint8Array.of(0x0a, 0x05, 1)));
});
