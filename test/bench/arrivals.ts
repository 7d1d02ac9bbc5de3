// SPDX-License-Identifier: Apache-2.0
import { gunzipSync } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { uncompress } from "snappyjs";
import {
  ExportMetricsServiceRequestSchema,
  type HistogramDataPoint,
  type NumberDataPoint,
  type SummaryDataPoint,
} from "../../src/otlp/generated/opentelemetry/proto/metrics/v1/metrics_pb.ts";

/** A request as it was received. It is decoded after the measurement. */
export interface Arrival {
  readonly protocol: "remote_write" | "otlp";
  readonly isCompressed: boolean;
  readonly body: Uint8Array;
  /** The time at which its last byte was received. */
  readonly atMs: number;
}

/** The requests of one measurement. */
export interface Arrived {
  /** Counted as lines of a page: a histogram or summary counts once for each of its lines there. */
  readonly samples: number;
  readonly requests: number;
  /** The size of all bodies, as they were sent. */
  readonly bytes: number;
  /** Milliseconds between a sample's time and its arrival. */
  readonly latencyMedianMs: number;
  readonly latencyP99Ms: number;
}

interface Timed {
  readonly timeMs: number;
  readonly samples: number;
}

/** Decodes the requests and counts their samples. */
export function summarize(arrivals: readonly Arrival[]): Arrived {
  const byLatency = new Map<number, number>();
  let samples = 0;
  let bytes = 0;
  for (const arrival of arrivals) {
    bytes += arrival.body.length;
    for (const timed of decode(arrival)) {
      const latencyMs = Math.round(arrival.atMs - timed.timeMs);
      byLatency.set(latencyMs, (byLatency.get(latencyMs) ?? 0) + timed.samples);
      samples += timed.samples;
    }
  }
  const sorted = [...byLatency].sort(([one], [other]) => one - other);
  return {
    samples,
    requests: arrivals.length,
    bytes,
    latencyMedianMs: quantile(sorted, samples / 2),
    latencyP99Ms: quantile(sorted, samples * 0.99),
  };
}

/** Returns the smallest value for which `wanted` of the counted values are not larger. */
function quantile(sorted: readonly (readonly [value: number, count: number])[], wanted: number): number {
  let seen = 0;
  for (const [value, count] of sorted) {
    seen += count;
    if (seen >= wanted) return value;
  }
  return Number.NaN;
}

function decode({ protocol, isCompressed, body }: Arrival): Timed[] {
  if (protocol === "otlp") return timesOfExport(isCompressed ? gunzipSync(body) : body);
  return timesOfWrite(uncompress(body));
}

/** Field numbers of prometheus.WriteRequest and TimeSeries. */
const TIME_SERIES = 1;
const SAMPLES = 2;

/** Reads the requests of any writer; the tests' oracle accepts only what the agent may write. */
function timesOfWrite(bytes: Uint8Array): Timed[] {
  return parts(bytes, TIME_SERIES)
    .flatMap((series) => parts(series, SAMPLES))
    .map((sample) => ({ timeMs: timeOf(sample), samples: 1 }));
}

function parts(message: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new BinaryReader(message);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === wanted) found.push(reader.bytes());
    else reader.skip(wireType);
  }
  return found;
}

/** Returns the time of a prometheus.Sample, which is its only varint. */
function timeOf(sample: Uint8Array): number {
  const reader = new BinaryReader(sample);
  while (reader.pos < reader.len) {
    const [, wireType] = reader.tag();
    if (wireType === WireType.Varint) return Number(reader.int64());
    reader.skip(wireType);
  }
  return 0;
}

function timesOfExport(bytes: Uint8Array): Timed[] {
  return fromBinary(ExportMetricsServiceRequestSchema, bytes)
    .resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics)
    .flatMap(({ metrics }) => metrics)
    .flatMap(({ data }): readonly Point[] => data.value?.dataPoints ?? [])
    .map((point) => ({ timeMs: Number(point.timeUnixNano / 1_000_000n), samples: linesOf(point) }));
}

type Point = NumberDataPoint | HistogramDataPoint | SummaryDataPoint;

/** Returns the lines of a point on a page: histograms and summaries also have a sum and a count. */
function linesOf(point: Point): number {
  if ("bucketCounts" in point) return point.bucketCounts.length + 2;
  return "quantileValues" in point ? point.quantileValues.length + 2 : 1;
}
