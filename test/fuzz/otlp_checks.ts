// SPDX-License-Identifier: Apache-2.0
import { fromBinary } from "@bufbuild/protobuf";
import {
  ExportMetricsServiceRequestSchema,
  type HistogramDataPoint,
  type KeyValue,
  type Metric,
  type NumberDataPoint,
} from "../../src/otlp/generated/opentelemetry/proto/metrics/v1/metrics_pb.ts";
import type { Identity } from "./page_checks.ts";
import { faultsOfHelp, faultsOfIdentity, faultsOfLabel } from "./said_of_whom.ts";

const KEYS = {
  sandbox_id: "kata.sandbox.id",
  cri_uid: "k8s.pod.uid",
  cri_name: "k8s.pod.name",
  cri_namespace: "k8s.namespace.name",
};

/** The flag of a point that ends its series. */
const NO_RECORDED_VALUE = 1;

/** Returns the faults of an OTLP request, which is read by another decoder than the agent's. */
export function judgeOtlp(body: Uint8Array, known: ReadonlyMap<string, Identity>): string[] {
  try {
    const { resourceMetrics } = fromBinary(ExportMetricsServiceRequestSchema, body);
    return resourceMetrics.flatMap(({ resource, scopeMetrics }) => {
      const attributes = resource?.attributes ?? [];
      const said = new Map(attributes.map((one) => [one.key, textOf(one)]));
      const faults = [...faultsOfAttributes(attributes), ...faultsOfIdentity(said, KEYS, known)];
      const metrics = scopeMetrics.flatMap((scope) => scope.metrics);
      return [...faults, ...twice(metrics.map(({ name }) => name)), ...metrics.flatMap(faultsOfMetric)];
    });
  } catch (error) {
    return [`cannot be read: ${error instanceof Error ? error.message : error}`];
  }
}

function textOf({ value }: KeyValue): string {
  return value?.value.case === "stringValue" ? value.value.value : "";
}

function faultsOfAttributes(attributes: readonly KeyValue[]): string[] {
  return [
    ...twice(attributes.map(({ key }) => key)),
    ...attributes.flatMap((attribute) => [
      ...(attribute.key === "" ? ["attribute without a key"] : []),
      ...faultsOfLabel(attribute.key, textOf(attribute)),
    ]),
  ];
}

function faultsOfMetric(metric: Metric): string[] {
  const { name, description, data } = metric;
  const points = data.value?.dataPoints ?? [];
  const sets = points.map(({ attributes }) =>
    JSON.stringify(attributes.map((one) => [one.key, textOf(one)]).sort()),
  );
  const faults = [
    ...faultsOfHelp(name, description),
    ...points.flatMap(({ attributes }) => faultsOfAttributes(attributes)),
    ...twice(sets),
  ];
  if (points.length === 0) faults.push("no points");
  if (data.case === "sum" && data.value.isMonotonic)
    faults.push(...data.value.dataPoints.flatMap(faultsOfCount));
  if (data.case === "histogram") faults.push(...data.value.dataPoints.flatMap(faultsOfBuckets));
  return faults.map((fault) => `${name}: ${fault}`);
}

/** Returns the faults of a monotonic sum, whose values must be those of a counter. */
function faultsOfCount({ value, flags }: NumberDataPoint): string[] {
  if ((flags & NO_RECORDED_VALUE) !== 0) return [];
  const number = Number(value.value);
  return number >= 0 ? [] : [`a sum of ${number}`];
}

function faultsOfBuckets({ explicitBounds, bucketCounts, count }: HistogramDataPoint): string[] {
  const faults: string[] = [];
  if (bucketCounts.length !== explicitBounds.length + 1)
    faults.push(`${bucketCounts.length} buckets for ${explicitBounds.length} bounds`);
  const sum = bucketCounts.reduce((total, one) => total + one, 0n);
  if (sum !== count) faults.push(`buckets hold ${sum} of ${count}`);
  if (explicitBounds.some((bound, index) => index > 0 && !(bound > Number(explicitBounds[index - 1]))))
    faults.push(`bounds do not rise: ${explicitBounds.join()}`);
  return faults;
}

function twice(keys: readonly string[]): string[] {
  const seen = new Set<string>();
  return keys.flatMap((key) => {
    if (seen.has(key)) return [`twice: ${key.slice(0, 200)}`];
    seen.add(key);
    return [];
  });
}
