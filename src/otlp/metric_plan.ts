// SPDX-License-Identifier: Apache-2.0
import { type Attributes, type Family, type Kind, type Point, pointWidth } from "../metrics/model.ts";
import { delimitedBytes, ProtoWriter } from "../wire/writer.ts";
import { isCounting } from "./counters.ts";

/** The shape of a plan's points. It says for which numbers each point has holes. */
export type PointShape = "gauge" | "sum" | "histogram" | "summary" | "ended_gauge" | "ended_counter";

/**
 * One `metrics` field of a ScopeMetrics message, encoded, with holes for the numbers. Each number takes 8 bytes, so
 * that the lengths in the message never change.
 */
export interface MetricPlan {
  readonly shape: PointShape;
  /** The encoded field, with its tag and length. The bytes of the holes are 0. */
  readonly template: Uint8Array;
  /** The number of points. */
  readonly points: number;
  /** The first column of the first point, counted from the family's first column. */
  readonly column: number;
  /**
   * The offset of each point in the template. The offsets of a point's holes (`GAUGE_AT`, `SUM_AT`, …) are added to it.
   */
  readonly at: Uint32Array;
  /** The first column of each point, counted from the plan's first column. Empty for shapes without a start time. */
  readonly columns: Uint32Array;
  /** The number of bounds or quantiles of each point. Empty for shapes other than histogram and summary. */
  readonly bounds: Uint32Array;
  /** The offset of each point's bucket counts or quantiles in the template. Empty for other shapes. */
  readonly tails: Uint32Array;
}

/** The offset of the start time in a point, in all shapes that have a start time. */
export const START_AT = 1;
/** The offsets of the numbers in the point of a gauge. The tag of a field takes one byte, its number eight. */
export const GAUGE_AT: Readonly<Record<"time" | "value", number>> = { time: 1, value: 10 };
/** The offsets of the numbers in the point of a sum. */
export const SUM_AT: Readonly<Record<"start" | "time" | "value", number>> = {
  start: START_AT,
  time: 10,
  value: 19,
};
/** The offsets of the numbers in the point of a histogram or a summary, before its buckets or quantiles. */
export const DISTRIBUTION_AT: Readonly<Record<"start" | "time" | "count" | "sum", number>> = {
  start: START_AT,
  time: 10,
  count: 19,
  sum: 28,
};
/** The offsets of the numbers in a point that says that a gauge has ended. */
export const ENDED_GAUGE_AT: Readonly<Record<"time", number>> = { time: 1 };
/** The offsets of the numbers in a point that says that a sum, a histogram or a summary has ended. */
export const ENDED_COUNTER_AT: Readonly<Record<"start" | "time", number>> = { start: START_AT, time: 10 };
/** The size of a quantile in the template: tag, length, tag and quantile, tag and value. */
export const QUANTILE_BYTES = 20;
/** The offset of the value in a quantile. */
export const QUANTILE_VALUE_AT = 12;

/** A family with more bytes of points than this becomes several fields, between which a request can be cut. */
export const METRIC_BYTES_MAX: number = 256 * 1024;

/** Makes the plans of a family's points, in their order: one, or several if the points exceed `METRIC_BYTES_MAX`. */
export function planFamily(family: Family): readonly MetricPlan[] {
  return planPoints(family, family.kind === "unknown" ? "gauge" : family.kind);
}

/** Makes the plans, like `planFamily`, of points that say that the family's series have ended. */
export function planEndedFamily(family: Family): readonly MetricPlan[] {
  return planPoints(family, isCounting(family.kind) ? "ended_counter" : "ended_gauge");
}

// Field numbers of opentelemetry/proto/metrics/v1/metrics.proto and common.proto.
const METRICS_FIELD = 2;
const METRIC = { name: 1, description: 2, unit: 3, metadata: 12 };
const DATA_FIELD: Readonly<Record<Kind, number>> = {
  gauge: 5,
  unknown: 5,
  sum: 7,
  histogram: 9,
  summary: 11,
};
const DATA = { points: 1, temporality: 2, monotonic: 3 };
const CUMULATIVE = 2;
const POINT = { start: 2, time: 3, value: 4, count: 4, sum: 5 };
const HISTOGRAM_POINT = { bucketCounts: 6, explicitBounds: 7 };
const SUMMARY_POINT = { quantiles: 6 };
const QUANTILE = { quantile: 1, value: 2 };
const ATTRIBUTES_FIELD = 7;
const FLAGS_FIELD = 8;
const HISTOGRAM_ATTRIBUTES_FIELD = 9;
const HISTOGRAM_FLAGS_FIELD = 10;
const TEXT_VALUE_FIELD = 1;
const KEY_VALUE = { key: 1, value: 2 };
const NO_RECORDED_VALUE = 1;

/** The metadata `prometheus.type`, as the Collector gives it to metrics of unknown type. */
const UNKNOWN_TYPE: Attributes = [{ key: "prometheus.type", value: "unknown" }];

/** An encoded point with holes. */
interface PlannedPoint {
  readonly bytes: Uint8Array;
  /** The number of bounds or quantiles. */
  readonly bounds: number;
  /** The offset of the bucket counts or quantiles in `bytes`. */
  readonly tail: number;
  /** The number of columns that the point has in a reading's row. */
  readonly width: number;
}

function planPoints(family: Family, shape: PointShape): MetricPlan[] {
  const plans: MetricPlan[] = [];
  let points: PlannedPoint[] = [];
  let pointsBytes = 0;
  let column = 0;
  let nextColumn = 0;
  const close = (): void => {
    if (points.length > 0) plans.push(composePlan(family, points, { shape, column }));
    points = [];
    pointsBytes = 0;
    column = nextColumn;
  };
  for (const point of family.points) {
    const planned = planPoint(family.kind, shape, point);
    if (pointsBytes + planned.bytes.length > METRIC_BYTES_MAX) close();
    points.push(planned);
    pointsBytes += planned.bytes.length;
    nextColumn += planned.width;
  }
  close();
  return plans;
}

function composePlan(
  family: Family,
  points: readonly PlannedPoint[],
  { shape, column }: { readonly shape: PointShape; readonly column: number },
): MetricPlan {
  const head = metricHead(family);
  const foot = dataFoot(family.kind);
  let dataBytes = foot.length;
  for (const { bytes } of points) dataBytes += delimitedBytes(DATA.points, bytes.length);
  const metricBytes = head.length + delimitedBytes(DATA_FIELD[family.kind], dataBytes);

  const writer = new ProtoWriter(delimitedBytes(METRICS_FIELD, metricBytes));
  writer.delimitedHead(METRICS_FIELD, metricBytes);
  writer.raw(head);
  writer.delimitedHead(DATA_FIELD[family.kind], dataBytes);
  const at = new Uint32Array(points.length);
  const distribution = shape === "histogram" || shape === "summary";
  const bounds = new Uint32Array(distribution ? points.length : 0);
  const tails = new Uint32Array(bounds.length);
  const columns = new Uint32Array(isCounting(family.kind) ? points.length : 0);
  let nextColumn = 0;
  for (const [index, point] of points.entries()) {
    writer.delimitedHead(DATA.points, point.bytes.length);
    at[index] = writer.length;
    bounds[index] = point.bounds;
    tails[index] = writer.length + point.tail;
    columns[index] = nextColumn;
    nextColumn += point.width;
    writer.raw(point.bytes);
  }
  writer.raw(foot);
  return { shape, template: writer.finish(), points: points.length, column, at, columns, bounds, tails };
}

function metricHead(family: Family): Uint8Array {
  const writer = new ProtoWriter();
  writer.text(METRIC.name, family.name);
  if (family.help !== "") writer.text(METRIC.description, family.help);
  if (family.unit !== "") writer.text(METRIC.unit, family.unit);
  if (family.kind === "unknown") writeAttributes(writer, METRIC.metadata, UNKNOWN_TYPE);
  return writer.finish();
}

function dataFoot(kind: Kind): Uint8Array {
  const writer = new ProtoWriter();
  if (kind === "sum" || kind === "histogram") writer.uint(DATA.temporality, CUMULATIVE);
  if (kind === "sum") writer.uint(DATA.monotonic, 1);
  return writer.finish();
}

/** Encodes a point. Its bytes begin with the holes, at the offsets of the constant of its shape, such as `GAUGE_AT`. */
function planPoint(kind: Kind, shape: PointShape, point: Point): PlannedPoint {
  const writer = new ProtoWriter();
  if (isCounting(kind)) writer.hole(POINT.start);
  writer.hole(POINT.time);
  if (shape === "gauge" || shape === "sum") writer.hole(POINT.value);
  if (shape === "histogram" || shape === "summary") {
    writer.hole(POINT.count);
    writer.hole(POINT.sum);
  }
  // An ended histogram or summary keeps its bounds, since receivers make a series of each bound and must end all.
  const tail = planTail(writer, kind, point.bounds);
  writeAttributes(
    writer,
    kind === "histogram" ? HISTOGRAM_ATTRIBUTES_FIELD : ATTRIBUTES_FIELD,
    // In Prometheus' model an empty label is no label. The Collector's receiver drops empty labels too.
    point.attributes.filter(({ value }) => value !== ""),
  );
  if (shape === "ended_gauge" || shape === "ended_counter")
    writer.uint(kind === "histogram" ? HISTOGRAM_FLAGS_FIELD : FLAGS_FIELD, NO_RECORDED_VALUE);
  const bounds = point.bounds.length;
  return { bytes: writer.finish(), bounds, tail, width: pointWidth(kind, bounds) };
}

/** Writes buckets or quantiles. Returns the offset of the first bucket or quantile. */
function planTail(writer: ProtoWriter, kind: Kind, bounds: readonly number[]): number {
  if (kind === "histogram") {
    const at = writer.packedHoles(HISTOGRAM_POINT.bucketCounts, bounds.length + 1);
    if (bounds.length > 0) writer.packedDoubles(HISTOGRAM_POINT.explicitBounds, bounds);
    return at;
  }
  const at = writer.length;
  for (const quantile of bounds) {
    const entry = new ProtoWriter();
    entry.double(QUANTILE.quantile, quantile);
    entry.hole(QUANTILE.value);
    writer.delimited(SUMMARY_POINT.quantiles, entry.finish());
  }
  return at;
}

/** Writes a repeated field of KeyValue messages whose values are texts. */
export function writeAttributes(writer: ProtoWriter, field: number, attributes: Attributes): void {
  for (const { key, value } of attributes) {
    const any = new ProtoWriter();
    any.text(TEXT_VALUE_FIELD, value);
    const entry = new ProtoWriter();
    entry.text(KEY_VALUE.key, key);
    entry.delimited(KEY_VALUE.value, any.finish());
    writer.delimited(field, entry.finish());
  }
}
