// SPDX-License-Identifier: Apache-2.0
import { ValueType } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  DataPointType,
  type MetricData,
  type ResourceMetrics,
} from "@opentelemetry/sdk-metrics";
import type { Attributes, Family, Reading } from "../../../src/metrics/model.ts";
import type { Scope } from "../../../src/otlp/envelope.ts";

/** Converts a reading to the OpenTelemetry SDK's objects, without summaries, which the SDK does not have. */
export function toSdkMetrics(reading: Reading, scope: Scope): ResourceMetrics {
  const { resource, schema } = reading;
  const metrics = schema.families.flatMap((family, index) =>
    family.kind === "summary" ? [] : [toMetric(family, reading, schema.offsets[index] ?? 0)],
  );
  return {
    resource: resourceFromAttributes(toObject(resource.attributes)),
    scopeMetrics: [{ scope, metrics }],
  };
}

function toMetric(family: Family, { values, timeMs, startMs }: Reading, offset: number): MetricData {
  const { name, help: description, unit } = family;
  const descriptor = { name, description, unit, valueType: ValueType.DOUBLE, advice: {} };
  const aggregationTemporality = AggregationTemporality.CUMULATIVE;
  const times = { startTime: toHrTime(startMs), endTime: toHrTime(timeMs) };
  if (family.kind === "histogram") {
    let column = offset;
    const dataPoints = family.points.map(({ attributes, bounds }) => {
      const row = values.subarray(column, column + bounds.length + 3);
      column += row.length;
      return { attributes: toObject(attributes), ...times, value: toHistogram(row, bounds) };
    });
    return { descriptor, aggregationTemporality, dataPointType: DataPointType.HISTOGRAM, dataPoints };
  }
  const dataPoints = family.points.map(({ attributes }, index) => ({
    attributes: toObject(attributes),
    ...times,
    value: values[offset + index] ?? Number.NaN,
  }));
  return family.kind === "sum"
    ? { descriptor, aggregationTemporality, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
    : { descriptor, aggregationTemporality, dataPointType: DataPointType.GAUGE, dataPoints };
}

function toHistogram(row: Float64Array, bounds: readonly number[]) {
  const [sum = 0, count = 0] = row.subarray(bounds.length + 1);
  const upTo = [...row.subarray(0, bounds.length), count];
  const counts = upTo.map((value, index) => value - (upTo[index - 1] ?? 0));
  return { buckets: { boundaries: [...bounds], counts }, count, sum };
}

function toHrTime(ms: number): [number, number] {
  return [Math.floor(ms / 1_000), (ms % 1_000) * 1e6];
}

function toObject(attributes: Attributes): Record<string, string> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value]));
}
