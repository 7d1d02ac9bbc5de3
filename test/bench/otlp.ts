import { ValueType } from "@opentelemetry/api";
import { ProtobufMetricsSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  DataPointType,
  type MetricData,
  type ResourceMetrics,
} from "@opentelemetry/sdk-metrics";
import { Interner } from "../../src/metrics/interner.ts";
import { type Family, pointCount, type Reading } from "../../src/metrics/model.ts";
import { createOtlpEncoder } from "../../src/otlp/encode.ts";
import type { SampleRow } from "./main.ts";

const RESOURCES = 250;
/** Points of each family of a full Go page: 1,261 in 75 families, most of them small and vmstat not. */
const FAMILY_POINTS: readonly number[] = [
  ...Array(56).fill(1),
  ...Array(10).fill(12),
  ...Array(8).fill(117),
  149,
];
const REQUEST_BYTES_MAX = 4_000_000;
const ROUNDS = 9;
const SCOPE = { name: "kata-collector", version: "0.1.0" };

/** The cost of making OTLP requests of readings, against the OpenTelemetry SDK's serializer on equal data. */
export function benchOtlp(): SampleRow[] {
  const readings = makeReadings();
  const samples = readings.reduce((sum, { schema }) => sum + pointCount(schema), 0);
  const encoder = createOtlpEncoder(SCOPE);
  const ours = measure(samples, () => {
    const requests = encoder.encode(readings.map(encoder.reading), REQUEST_BYTES_MAX);
    return requests.reduce((sum, { bytes }) => sum + bytes.length, 0);
  });
  const sdkInput = readings.map(toResourceMetrics);
  const sdk = measure(samples, () =>
    sdkInput.reduce(
      (sum, input) => sum + (ProtobufMetricsSerializer.serializeRequest(input)?.length ?? 0),
      0,
    ),
  );
  return [
    { name: "encode OTLP", ...ours },
    { name: "ProtobufMetricsSerializer of the OTel SDK, objects made beforehand", ...sdk },
  ];
}

/** The median of several rounds; the first ones, before the code is compiled, are not counted. */
function measure(samples: number, encode: () => number): { nsPerSample: number; mbPerS: number } {
  const times: number[] = [];
  let bytes = 0;
  for (let round = 0; round < ROUNDS + 3; round++) {
    const begin = performance.now();
    bytes = encode();
    times.push(performance.now() - begin);
  }
  const medianMs = times.slice(3).sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN;
  return { nsPerSample: (medianMs * 1e6) / samples, mbPerS: bytes / 1e3 / medianMs };
}

function makeReadings(): Reading[] {
  const interner = new Interner();
  const families: Family[] = FAMILY_POINTS.map((points, family) =>
    interner.family({
      name: `kata_guest_metric_${family}`,
      kind: family % 4 === 0 ? "sum" : "gauge",
      unit: "",
      help: "What the guest kernel says of itself.",
      points: Array.from({ length: points }, (_, index) => ({
        attributes: [{ key: "item", value: `workingset_item_${index}` }],
        bounds: [],
        boundTexts: [],
      })),
    }),
  );
  const schema = interner.schema(families);
  return Array.from({ length: RESOURCES }, (_, index) => ({
    resource: {
      key: `kata/${index}`,
      attributes: [
        { key: "kata.sandbox.id", value: index.toString(16).padStart(64, "0") },
        { key: "k8s.pod.name", value: `pod-${index}` },
        { key: "k8s.namespace.name", value: "default" },
      ],
    },
    schema,
    values: Float64Array.from({ length: schema.width }, (_, column) => column * 1_234.5 + index),
    timeMs: 1_700_000_000_000,
    startMs: 1_699_999_000_000,
  }));
}

function toResourceMetrics({ resource, schema, values, timeMs, startMs }: Reading): ResourceMetrics {
  const time = (ms: number): [number, number] => [Math.floor(ms / 1_000), (ms % 1_000) * 1e6];
  const metrics = schema.families.map((family, index): MetricData => {
    const dataPoints = family.points.map((point, i) => ({
      attributes: Object.fromEntries(point.attributes.map(({ key, value }) => [key, value])),
      startTime: time(startMs),
      endTime: time(timeMs),
      value: values[(schema.offsets[index] ?? 0) + i] ?? Number.NaN,
    }));
    const { name, help: description, unit } = family;
    const descriptor = { name, description, unit, valueType: ValueType.DOUBLE, advice: {} };
    const aggregationTemporality = AggregationTemporality.CUMULATIVE;
    return family.kind === "sum"
      ? {
          descriptor,
          aggregationTemporality,
          dataPointType: DataPointType.SUM,
          isMonotonic: true,
          dataPoints,
        }
      : { descriptor, aggregationTemporality, dataPointType: DataPointType.GAUGE, dataPoints };
  });
  const attributes = Object.fromEntries(resource.attributes.map(({ key, value }) => [key, value]));
  return { resource: resourceFromAttributes(attributes), scopeMetrics: [{ scope: SCOPE, metrics }] };
}
