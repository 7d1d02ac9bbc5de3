// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary, toJson } from "@bufbuild/protobuf";
import { ProtobufMetricsSerializer } from "@opentelemetry/otlp-transformer";
import fc from "fast-check";
import { toSdkMetrics } from "../../test/kit/oracle/otel_sdk.ts";
import { type FamilySpec, Interner } from "../metrics/interner.ts";
import type { Attributes, Kind, Point, Reading, Resource } from "../metrics/model.ts";
import { createOtlpEncoder, type OtlpRequest } from "./encode.ts";
import {
  type ExportMetricsServiceRequest,
  ExportMetricsServiceRequestSchema,
  type Metric,
} from "./generated/opentelemetry/proto/metrics/v1/metrics_pb.ts";
import { METRIC_BYTES_MAX } from "./metric_plan.ts";
import type { ResourceEntry } from "./resource_entry.ts";
import type { Restarts } from "./start_times.ts";

const TIME_MS = 1_700_000_000_123;
const START_MS = 1_699_999_000_456;
const REQUEST_BYTES_MAX = 4_000_000;
const SCOPE = { name: "kata-collector", version: "1.2.3" };
const RESOURCE: Resource = { key: "kata/s1", attributes: [{ key: "kata.sandbox.id", value: "s1" }] };

const interner = new Interner();
const encoder = createOtlpEncoder(SCOPE);

function point(attributes: Readonly<Record<string, string>> = {}, bounds: readonly number[] = []): Point {
  const list = Object.entries(attributes).map(([key, value]) => ({ key, value }));
  return { attributes: list, bounds, boundTexts: bounds.map(String) };
}

function family(
  kind: Kind,
  points: readonly Point[] = [point()],
  rest: Partial<FamilySpec> = {},
): FamilySpec {
  return { name: `a_${kind}`, kind, unit: "", help: "", points, ...rest };
}

function reading(specs: readonly FamilySpec[], values: readonly number[], resource = RESOURCE): Reading {
  const schema = interner.schema(specs.map((spec) => interner.family(spec)));
  assert.equal(values.length, schema.width, "the row of the test fits its schema");
  return { resource, schema, values: Float64Array.from(values), timeMs: TIME_MS, startMs: START_MS };
}

function decode(bytes: Uint8Array): ExportMetricsServiceRequest {
  return fromBinary(ExportMetricsServiceRequestSchema, bytes);
}

/** Encodes into one request and decodes it again. */
function roundTrip(...readings: readonly Reading[]): ExportMetricsServiceRequest {
  const [request, ...more] = encoder.encode(
    readings.map((one) => encoder.reading(one, undefined)),
    REQUEST_BYTES_MAX,
  );
  assert.ok(request !== undefined && more.length === 0);
  return decode(request.bytes);
}

function metricsOf(request: ExportMetricsServiceRequest): Metric[] {
  return request.resourceMetrics.flatMap(({ scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics }) => metrics),
  );
}

/** The only metric as JSON, without the times. */
function checkMetric(spec: FamilySpec, values: readonly number[], want: unknown): void {
  const json = toJson(ExportMetricsServiceRequestSchema, roundTrip(reading([spec], values)));
  assert.deepEqual(json, {
    resourceMetrics: [
      {
        resource: { attributes: [{ key: "kata.sandbox.id", value: { stringValue: "s1" } }] },
        scopeMetrics: [{ scope: SCOPE, metrics: [want] }],
      },
    ],
  });
}

const TIME = { timeUnixNano: "1700000000123000000" };
const TIMES = { startTimeUnixNano: "1699999000456000000", ...TIME };

test("a gauge has a value and a time", () => {
  checkMetric(family("gauge", [point({ item: "a" }), point({ item: "b" })]), [1.5, -2], {
    name: "a_gauge",
    gauge: {
      dataPoints: [
        { ...TIME, asDouble: 1.5, attributes: [{ key: "item", value: { stringValue: "a" } }] },
        { ...TIME, asDouble: -2, attributes: [{ key: "item", value: { stringValue: "b" } }] },
      ],
    },
  });
});

test("a sum is cumulative and monotonic and has a start time; help and unit are carried", () => {
  checkMetric(family("sum", [point()], { help: "Ünits.", unit: "By" }), [7], {
    name: "a_sum",
    description: "Ünits.",
    unit: "By",
    sum: { dataPoints: [{ ...TIMES, asDouble: 7 }], aggregationTemporality: 2, isMonotonic: true },
  });
});

test("an unknown type is a gauge that says so", () => {
  checkMetric(family("unknown"), [3], {
    name: "a_unknown",
    gauge: { dataPoints: [{ ...TIME, asDouble: 3 }] },
    metadata: [{ key: "prometheus.type", value: { stringValue: "unknown" } }],
  });
});

test("a histogram's cumulative buckets become what is in each", () => {
  checkMetric(family("histogram", [point({ action: "x" }, [1, 2.5])]), [4, 10, 11, 15.25, 11], {
    name: "a_histogram",
    histogram: {
      dataPoints: [
        {
          ...TIMES,
          count: "11",
          sum: 15.25,
          bucketCounts: ["4", "6", "1"],
          explicitBounds: [1, 2.5],
          attributes: [{ key: "action", value: { stringValue: "x" } }],
        },
      ],
      aggregationTemporality: 2,
    },
  });
});

test("points of one histogram may have different bounds, also none", () => {
  const spec = family("histogram", [point({ a: "1" }, [1]), point({ a: "2" }), point({ a: "3" }, [1, 2])]);
  const [metric] = metricsOf(roundTrip(reading([spec], [1, 2, 0.5, 2, 4, 0.25, 4, 1, 2, 3, 9, 3])));
  assert.ok(metric?.data.case === "histogram");
  assert.deepEqual(
    metric.data.value.dataPoints.map(({ sum, count, bucketCounts }) => [
      sum,
      Number(count),
      bucketCounts.map(Number),
    ]),
    [
      [0.5, 2, [1, 1]],
      [0.25, 4, [4]],
      [9, 3, [1, 1, 1]],
    ],
  );
});

test("a summary has its quantiles, sum and count", () => {
  checkMetric(
    family("summary", [point({}, [0, 0.5, 1]), point({ x: "y" })]),
    [0.25, 0.5, 8, 99.5, 12, 1, 2],
    {
      name: "a_summary",
      summary: {
        dataPoints: [
          {
            ...TIMES,
            count: "12",
            sum: 99.5,
            quantileValues: [{ value: 0.25 }, { quantile: 0.5, value: 0.5 }, { quantile: 1, value: 8 }],
          },
          { ...TIMES, count: "2", sum: 1, attributes: [{ key: "x", value: { stringValue: "y" } }] },
        ],
      },
    },
  );
});

test("every double arrives as it is", () => {
  const values = [Number.NaN, Number.POSITIVE_INFINITY, -0, 5e-324, Number.MAX_VALUE, 2 ** 53 + 2];
  const spec = family(
    "gauge",
    values.map((_, index) => point({ index: String(index) })),
  );
  const [metric] = metricsOf(roundTrip(reading([spec], values)));
  assert.ok(metric?.data.case === "gauge");
  assert.deepEqual(
    metric.data.value.dataPoints.map(({ value }) => value.value),
    values,
  );
});

test("an unknown start time is left at zero, and an empty label is left out", () => {
  const base = reading([family("sum", [point({ empty: "", full: "x" })])], [1]);
  const [metric] = metricsOf(roundTrip({ ...base, startMs: 0 }));
  assert.ok(metric?.data.case === "sum");
  const [only] = metric.data.value.dataPoints;
  assert.equal(only?.startTimeUnixNano, 0n);
  assert.deepEqual(
    only.attributes.map(({ key }) => key),
    ["full"],
  );
});

const ALL_KINDS = [
  family("gauge", [point({ item: "a" })]),
  family("unknown"),
  family("sum", [point({ item: "a" }), point({ item: "b" })]),
  family("histogram", [point({ item: "a" }, [1, 2]), point({ item: "b" })]),
  family("summary", [point({ item: "a" }, [0.5]), point({ item: "b" })]),
];
const ALL_KINDS_ROW = [1, 2, 3, 4, 1, 2, 3, 4, 3, 1, 5, 1, 1, 1, 1, 2, 2];

/** `{name: the starts of its points}`, in Unix milliseconds. */
function startsOf(request: ExportMetricsServiceRequest): Readonly<Record<string, readonly number[]>> {
  const metrics = metricsOf(request).map(({ name, data }) => [
    name,
    data.value?.dataPoints.map(({ startTimeUnixNano }) => Number(startTimeUnixNano / 1_000_000n)),
  ]);
  return Object.fromEntries(metrics);
}

function encodeOne(entry: ResourceEntry): OtlpRequest {
  const [request, ...more] = encoder.encode([entry], REQUEST_BYTES_MAX);
  assert.ok(request !== undefined && more.length === 0);
  return request;
}

test("every kind ends with a flag on each point, no value, and its bounds", () => {
  const { schema } = reading(ALL_KINDS, ALL_KINDS_ROW);
  const times = { timeMs: TIME_MS, startMs: START_MS, restarts: undefined };
  const request = encodeOne(encoder.ended({ resource: RESOURCE, schema, ...times }));
  assert.deepEqual([request.points, request.endPoints], [0, 8], "no reading has the points of an end");
  const ends = metricsOf(decode(request.bytes)).map(({ data }) => data.value?.dataPoints[0]);
  for (const ended of ends) {
    assert.equal(ended?.flags, 1);
    assert.equal(ended.timeUnixNano, 1_700_000_000_123_000_000n);
  }
  const [gauge, unknown, sum, histogram, summary] = ends;
  assert.deepEqual(
    [gauge, unknown, sum].map((ended) => ended !== undefined && "value" in ended && ended.value.case),
    [undefined, undefined, undefined],
  );
  assert.deepEqual(gauge?.attributes[0]?.key, "item");
  assert.deepEqual(
    histogram !== undefined && "explicitBounds" in histogram && histogram.explicitBounds,
    [1, 2],
  );
  assert.deepEqual(
    summary !== undefined &&
      "quantileValues" in summary &&
      summary.quantileValues.map(({ quantile }) => quantile),
    [0.5],
  );
});

test("points that count have the start of their series, also where they end; gauges have none", () => {
  const check = (startMs: number, restarts: Restarts, want: readonly number[]): void => {
    const one = { ...reading(ALL_KINDS, ALL_KINDS_ROW), startMs };
    const { resource, schema, timeMs } = one;
    const [a, b, c, d, e, f] = want;
    const starts = {
      a_gauge: [0],
      a_unknown: [0],
      a_sum: [a, b],
      a_histogram: [c, d],
      a_summary: [e, f],
    };
    const ended = encoder.ended({ resource, schema, timeMs, startMs, restarts });
    assert.deepEqual(startsOf(decode(encodeOne(encoder.reading(one, restarts)).bytes)), starts);
    assert.deepEqual(startsOf(decode(encodeOne(ended).bytes)), starts);
  };
  const row = (columns: Readonly<Record<number, number>>): Restarts =>
    Float64Array.from(ALL_KINDS_ROW, (_, column) => columns[column] ?? 0);
  const S = START_MS;
  check(S, undefined, [S, S, S, S, S, S]);
  check(0, undefined, [0, 0, 0, 0, 0, 0]);
  check(S, row({ 3: S + 1, 4: S + 2, 12: S + 1, 15: S + 3 }), [S, S + 1, S + 2, S, S + 1, S + 3]);
  check(0, row({ 2: S, 9: S }), [S, 0, 0, S, 0, 0]);
  check(S, row({ 2: S - 1 }), [S, S, S, S, S, S]);
  // After a clock was set back.
  check(S, row({ 2: TIME_MS }), [0, S, S, S, S, S]);
  check(TIME_MS + 1, undefined, [0, 0, 0, 0, 0, 0]);
});

test("a restart of a family that is cut into several entries finds its points", () => {
  const points = Array.from({ length: 3_000 }, (_, index) =>
    point({ text: "x".repeat(200), index: String(index) }, [1]),
  );
  const values = points.flatMap((_, index) => [index, index, 0.5, index]);
  const one = reading([family("gauge"), family("histogram", points)], [0, ...values]);
  const restarts = new Float64Array(one.schema.width);
  for (const index of points.keys()) restarts[1 + 4 * index] = START_MS + index;
  const requests = encoder.encode([encoder.reading(one, restarts)], REQUEST_BYTES_MAX);
  const got = requests.flatMap(({ bytes }) =>
    metricsOf(decode(bytes)).flatMap(({ name, data }) =>
      name === "a_gauge" ? [] : (data.value?.dataPoints ?? []).map((one) => one.startTimeUnixNano),
    ),
  );
  assert.deepEqual(
    got.map((start) => Number(start / 1_000_000n)),
    points.map((_, index) => START_MS + index),
  );
});

const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
const attributes: fc.Arbitrary<Attributes> = fc
  .dictionary(text, text, { maxKeys: 3 })
  // The SDK takes attributes as an object, whose integer keys come first and whose __proto__ is none.
  .map((object) =>
    Object.entries(object)
      .filter(([key]) => key !== "__proto__")
      .map(([key, value]) => ({ key, value })),
  );
const spec = fc.record({
  kind: fc.constantFrom("gauge" as const, "sum" as const, "histogram" as const),
  help: fc.string(),
  unit: fc.string(),
  points: fc.array(fc.record({ attributes, bounds: fc.integer({ min: 0, max: 130 }) }), {
    minLength: 1,
    maxLength: 4,
  }),
});

test("whatever the schema, the SDK's serializer says the same", () => {
  fc.assert(
    fc.property(fc.array(spec, { minLength: 1, maxLength: 4 }), attributes, (specs, resource) => {
      const families = specs.map(({ points, ...rest }, index) => ({
        ...rest,
        name: `family_${index}`,
        points: points.map((one) => {
          const bounds =
            rest.kind === "histogram" ? Array.from({ length: one.bounds }, (_, i) => i * 0.5) : [];
          return { attributes: one.attributes, bounds, boundTexts: bounds.map(String) };
        }),
      }));
      // Values that only go up are valid cumulative buckets with a count that is the largest of them.
      const width = interner.schema(families.map((one) => interner.family(one))).width;
      const ours = reading(
        families,
        Array.from({ length: width }, (_, column) => column * 3),
        { key: "r", attributes: resource },
      );
      const theirs = ProtobufMetricsSerializer.serializeRequest(toSdkMetrics(ours, SCOPE));
      assert.ok(theirs !== undefined);
      assert.deepEqual(normalized(roundTrip(ours)), normalized(decode(theirs)));
    }),
    { numRuns: 200 },
  );
});

/** The SDK gives gauges a start time as well. */
function normalized(request: ExportMetricsServiceRequest): ExportMetricsServiceRequest {
  for (const { data } of metricsOf(request)) {
    if (data.case === "gauge") for (const one of data.value.dataPoints) one.startTimeUnixNano = 0n;
  }
  return request;
}

test("requests stay under the limit, keep the order and lose nothing", () => {
  const wide = family(
    "gauge",
    Array.from({ length: 100 }, (_, index) => point({ index: String(index) })),
  );
  const specs = Array.from({ length: 20 }, (_, index) => ({ ...wide, name: `wide_${index}` }));
  const row = Array.from({ length: 2_000 }, (_, column) => column);
  const readings = Array.from({ length: 7 }, (_, index) =>
    reading(specs, row, { key: String(index), attributes: [{ key: "id", value: String(index) }] }),
  );
  const one = encoder.encode(
    readings.slice(0, 1).map((one) => encoder.reading(one, undefined)),
    REQUEST_BYTES_MAX,
  )[0];
  assert.ok(one !== undefined);
  const check = (bytesMax: number, wantRequests: number): void => {
    const requests = encoder.encode(
      readings.map((one) => encoder.reading(one, undefined)),
      bytesMax,
    );
    assert.equal(requests.length, wantRequests);
    for (const { bytes } of requests) assert.ok(bytes.length <= bytesMax);
    assert.equal(
      requests.reduce((sum, { points }) => sum + points, 0),
      14_000,
    );
    const got = requests.flatMap(({ bytes }) =>
      decode(bytes).resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
        scopeMetrics.flatMap(({ metrics }) =>
          metrics.map(({ name }) => `${resource?.attributes[0]?.value?.value.value} ${name}`),
        ),
      ),
    );
    const want = readings.flatMap(({ resource }) => specs.map(({ name }) => `${resource.key} ${name}`));
    assert.deepEqual(got, want);
  };
  check(REQUEST_BYTES_MAX, 1);
  check(one.bytes.length, 7);
  check(one.bytes.length * 2, 4);
  // Too small for a reading, so each is cut in two.
  check(one.bytes.length - 1, 14);
});

test("a family too large for one entry is cut between its points", () => {
  const points = Array.from({ length: 3_000 }, (_, index) =>
    point({ text: "x".repeat(200), index: String(index) }, [1]),
  );
  const values = points.flatMap((_, index) => [index, index, 0.5, index]);
  const requests = encoder.encode(
    [encoder.reading(reading([family("histogram", points)], values), undefined)],
    300_000,
  );
  assert.ok(requests.length > 2);
  const got = requests.flatMap(({ bytes }) => {
    assert.ok(bytes.length <= 300_000);
    return metricsOf(decode(bytes)).flatMap(({ data }) =>
      data.case === "histogram" ? data.value.dataPoints.map(({ count }) => Number(count)) : [],
    );
  });
  assert.deepEqual(
    got,
    points.map((_, index) => index),
  );
  assert.ok(METRIC_BYTES_MAX < 300_000);
});

test("a schema without families makes no request", () => {
  assert.deepEqual(encoder.encode([encoder.reading(reading([], []), undefined)], REQUEST_BYTES_MAX), []);
});
