// SPDX-License-Identifier: Apache-2.0
import { type Attributes, type Family, type Kind, type Point, pointWidth } from "../metrics/model.ts";
import { delimitedBytes, ProtoWriter } from "../wire/writer.ts";
import { isCounting } from "./counters.ts";

/** The kind of a plan's points, which says for which numbers they have holes. */
export type PointShape = "gauge" | "sum" | "histogram" | "summary" | "ended_gauge" | "ended_counter";

/**
 * One `metrics` field of a ScopeMetrics message, encoded, with holes for the numbers. Each number takes 8 bytes, so that the
 * lengths in the message never change.
 */
export interface MetricPlan {
  readonly shape: PointShape;
  /** The field with its tag and length. The holes are zero. */
  readonly template: Uint8Array;
  /** The number of points. */
  readonly points: number;
  /** The first column of the first point, counted from the family's first. */
  readonly column: number;
  /** The offset of each point in the template. The holes that all points of a shape have come first in a point. */
  readonly at: Uint32Array;
  /** For shapes with a start time: the first column of each point, counted from the plan's first. Otherwise empty. */
  readonly columns: Uint32Array;
  /** For histograms and summaries: the number of bounds or quantiles of each point. Otherwise empty. */
  readonly bounds: Uint32Array;
  /** For histograms and summaries: the offset of each point's bucket counts or quantiles in the template. Otherwise empty. */
  readonly tails: Uint32Array;
}

/** The offset of the start time in a point, in all shapes that have one. */
export const START_AT = 1;
/** The offsets of the numbers in a point. A field's tag takes one byte, its number eight. */
export const GAUGE_AT: Readonly<Record<"time" | "value", number>> = { time: 1, value: 10 };
export const SUM_AT: Readonly<Record<"start" | "time" | "value", number>> = {
  start: START_AT,
  time: 10,
  value: 19,
};
export const DISTRIBUTION_AT: Readonly<Record<"start" | "time" | "count" | "sum", number>> = {
  start: START_AT,
  time: 10,
  count: 19,
  sum: 28,
};
export const ENDED_GAUGE_AT: Readonly<Record<"time", number>> = { time: 1 };
export const ENDED_COUNTER_AT: Readonly<Record<"start" | "time", number>> = { start: START_AT, time: 10 };
/** The bytes of a quantile: tag, length, tag and quantile, tag and value. */
export const QUANTILE_BYTES = 20;
export const QUANTILE_VALUE_AT = 12;

/** A family whose field would be larger becomes several fields, so that a request can be cut between them. */
export const METRIC_BYTES_MAX: number = 256 * 1024;

/** Plans a family's points, in their order. Makes several plans only if one would be larger than `METRIC_BYTES_MAX`. */
export function planFamily(family: Family): readonly MetricPlan[] {
  return planPoints(family, family.kind === "unknown" ? "gauge" : family.kind);
}

/** Like `planFamily`, for points that say that their series have ended. */
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

/** The `prometheus.type` that the Collector gives metrics of no known type. */
const UNKNOWN_TYPE: Attributes = [{ key: "prometheus.type", value: "unknown" }];

interface PlannedPoint {
  readonly bytes: Uint8Array;
  readonly bounds: number;
  readonly tail: number;
  /** How many columns it takes. */
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

/** Encodes a point. Its holes come first, at the offsets of `GAUGE_AT`, `SUM_AT`, `DISTRIBUTION_AT` and the `ENDED_…_AT`. */
function planPoint(kind: Kind, shape: PointShape, point: Point): PlannedPoint {
  const writer = new ProtoWriter();
  if (isCounting(kind)) writer.hole(POINT.start);
  writer.hole(POINT.time);
  if (shape === "gauge" || shape === "sum") writer.hole(POINT.value);
  if (shape === "histogram" || shape === "summary") {
    writer.hole(POINT.count);
    writer.hole(POINT.sum);
  }
  // An ended histogram or summary keeps its bounds, since receivers make a series of each bound and must end all of them.
  const tail = planTail(writer, kind, point.bounds);
  writeAttributes(
    writer,
    kind === "histogram" ? HISTOGRAM_ATTRIBUTES_FIELD : ATTRIBUTES_FIELD,
    // In Prometheus' model an empty label is no label. The Collector's receiver leaves it out too.
    point.attributes.filter(({ value }) => value !== ""),
  );
  if (shape === "ended_gauge" || shape === "ended_counter")
    writer.uint(kind === "histogram" ? HISTOGRAM_FLAGS_FIELD : FLAGS_FIELD, NO_RECORDED_VALUE);
  const bounds = point.bounds.length;
  return { bytes: writer.finish(), bounds, tail, width: pointWidth(kind, bounds) };
}

/** Writes buckets or quantiles. Returns the offset of the first. */
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
