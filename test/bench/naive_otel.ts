// SPDX-License-Identifier: Apache-2.0
import { ValueType } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  DataPointType,
  type MetricData,
  type ResourceMetrics,
} from "@opentelemetry/sdk-metrics";
import type { NaiveSample } from "./naive_parse.ts";

export interface NaiveSandbox {
  readonly samples: readonly NaiveSample[];
  readonly identity: Readonly<Record<string, string>>;
}

/** Makes a gauge point of every line, with the sandbox in its attributes, since the SDK has one resource per page. */
export function toResourceMetrics(sandboxes: readonly NaiveSandbox[]): ResourceMetrics {
  const byName = new Map<string, MetricData & { dataPoints: unknown[] }>();
  for (const { samples, identity } of sandboxes) {
    for (const { name, labels, value } of samples) {
      const metric = byName.get(name) ?? {
        descriptor: { name, description: "", unit: "", valueType: ValueType.DOUBLE },
        aggregationTemporality: AggregationTemporality.CUMULATIVE,
        dataPointType: DataPointType.GAUGE,
        dataPoints: [],
      };
      byName.set(name, metric);
      const attributes = { ...labels, ...identity };
      metric.dataPoints.push({ startTime: [0, 0], endTime: [0, 0], attributes, value });
    }
  }
  return {
    resource: resourceFromAttributes({}),
    scopeMetrics: [{ scope: { name: "bench" }, metrics: [...byName.values()] }],
  };
}
