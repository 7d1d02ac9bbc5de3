// Hot path: npm run bench -- otlp. Indices are in range by construction, which `as number` tells the compiler.

import type { Family, Reading, Resource, Schema } from "../metrics/model.ts";
import { delimitedBytes, ProtoWriter } from "../wire/writer.ts";
import { type Frame, fill } from "./fill.ts";
import { type MetricPlan, planEndedFamily, planFamily, writeAttributes } from "./metric_plan.ts";

/** One resource's part of a request: a reading, or the end of series. Made once, sized at once, encoded later. */
export interface Entry {
  readonly resource: Resource;
  readonly plan: EntryPlan;
  readonly values: Float64Array;
  readonly timeMs: number;
  readonly startMs: number;
  /** What it adds to a request that holds it whole. */
  readonly bytes: number;
}

interface EntryPlan {
  readonly metrics: readonly MetricPlan[];
  /** The first column of each metric. */
  readonly columns: readonly number[];
  /** Of all templates together. */
  readonly bytes: number;
  readonly points: number;
}

/** An ExportMetricsServiceRequest. */
export interface OtlpRequest {
  readonly bytes: Uint8Array;
  /** Data points in it. */
  readonly points: number;
}

/** Who measured, as receivers see it. */
export interface Scope {
  readonly name: string;
  readonly version: string;
}

export interface OtlpEncoder {
  /** Sizes a reading; compiles what it has not met before. */
  reading(reading: Reading): Entry;
  /** Says that the points of these families have no value for this resource any more. */
  ended(resource: Resource, families: readonly Family[], timeMs: number): Entry;
  /**
   * Requests of at most `bytesMax`, in the order of the entries. An entry that fits into one request is not cut, a
   * larger one is, between metrics. Only one metric that is larger by itself (see `METRIC_BYTES_MAX`) passes the limit.
   */
  encode(entries: readonly Entry[], bytesMax: number): OtlpRequest[];
}

// Field numbers of opentelemetry/proto/collector/metrics/v1/metrics_service.proto, metrics.proto and resource.proto.
const RESOURCE_METRICS_FIELD = 1;
const RESOURCE_METRICS = { resource: 1, scopeMetrics: 2 };
const RESOURCE = { attributes: 1 };
const SCOPE_METRICS = { scope: 1 };
const SCOPE = { name: 1, version: 2 };

const NO_VALUES = new Float64Array(0);

// Plans depend on nothing but the family, so all exporters share them; they go when the family does.
const familyPlans = new WeakMap<Family, readonly MetricPlan[]>();
const endedPlans = new WeakMap<Family, readonly MetricPlan[]>();
const schemaPlans = new WeakMap<Schema, EntryPlan>();
const resourceFields = new WeakMap<Resource, Uint8Array>();

export function createOtlpEncoder(scope: Scope): OtlpEncoder {
  const scopeField = encodeScope(scope);
  const sized = (entry: Omit<Entry, "bytes">): Entry => ({
    ...entry,
    bytes: entry.plan.metrics.length === 0 ? 0 : sizeOf(scopeField, entry.resource, entry.plan.bytes).total,
  });
  return {
    reading({ resource, schema, values, timeMs, startMs }) {
      return sized({ resource, plan: planOfSchema(schema), values, timeMs, startMs });
    },
    ended(resource, families, timeMs) {
      return sized({ resource, plan: planOfEnded(families), values: NO_VALUES, timeMs, startMs: 0 });
    },
    encode(entries, bytesMax) {
      return cut(entries, scopeField, bytesMax).map((slices) => encodeRequest(slices, scopeField));
    },
  };
}

function planOfSchema(schema: Schema): EntryPlan {
  let plan = schemaPlans.get(schema);
  if (plan === undefined) {
    plan = composePlan(schema.families, schema.offsets, (family) => cached(familyPlans, family, planFamily));
    schemaPlans.set(schema, plan);
  }
  return plan;
}

function planOfEnded(families: readonly Family[]): EntryPlan {
  return composePlan(families, [], (family) => cached(endedPlans, family, planEndedFamily));
}

function composePlan(
  families: readonly Family[],
  offsets: readonly number[],
  plansOf: (family: Family) => readonly MetricPlan[],
): EntryPlan {
  const metrics: MetricPlan[] = [];
  const columns: number[] = [];
  let bytes = 0;
  let points = 0;
  for (const [index, family] of families.entries()) {
    for (const metric of plansOf(family)) {
      metrics.push(metric);
      columns.push((offsets[index] ?? 0) + metric.column);
      bytes += metric.template.length;
      points += metric.points;
    }
  }
  return { metrics, columns, bytes, points };
}

/** Some metrics of an entry, which go into one request. */
interface Slice {
  readonly entry: Entry;
  readonly from: number;
  readonly to: number;
  readonly metricBytes: number;
  readonly bytes: number;
}

/** Deals the entries out to requests. An entry that a request of its own could hold is not cut. */
function cut(entries: readonly Entry[], scopeField: Uint8Array, bytesMax: number): Slice[][] {
  const requests: Slice[][] = [];
  let slices: Slice[] = [];
  let used = 0;
  const close = (): void => {
    if (slices.length > 0) requests.push(slices);
    slices = [];
    used = 0;
  };
  for (const entry of entries) {
    const { metrics, bytes: metricBytes } = entry.plan;
    if (metrics.length === 0) continue;
    if (used + entry.bytes > bytesMax) close();
    if (entry.bytes <= bytesMax) {
      slices.push({ entry, from: 0, to: metrics.length, metricBytes, bytes: entry.bytes });
      used += entry.bytes;
      continue;
    }
    for (const slice of cutEntry(entry, scopeField, bytesMax)) {
      if (used + slice.bytes > bytesMax) close();
      slices.push(slice);
      used += slice.bytes;
    }
  }
  close();
  return requests;
}

/** An entry that no request holds whole, in slices of at least one metric. */
function cutEntry(entry: Entry, scopeField: Uint8Array, bytesMax: number): Slice[] {
  const { metrics } = entry.plan;
  const slices: Slice[] = [];
  let from = 0;
  let metricBytes = 0;
  const close = (to: number): void => {
    const { total: bytes } = sizeOf(scopeField, entry.resource, metricBytes);
    slices.push({ entry, from, to, metricBytes, bytes });
    from = to;
    metricBytes = 0;
  };
  for (const [index, { template }] of metrics.entries()) {
    const { total } = sizeOf(scopeField, entry.resource, metricBytes + template.length);
    if (total > bytesMax && index > from) close(index);
    metricBytes += template.length;
  }
  close(metrics.length);
  return slices;
}

/** The sizes of a ResourceMetrics with so many bytes of metrics, from the inside out; the total is that of its field. */
function sizeOf(
  scopeField: Uint8Array,
  resource: Resource,
  metricBytes: number,
): { readonly scopeMetrics: number; readonly resourceMetrics: number; readonly total: number } {
  const scopeMetrics = scopeField.length + metricBytes;
  const resourceMetrics =
    cached(resourceFields, resource, encodeResource).length +
    delimitedBytes(RESOURCE_METRICS.scopeMetrics, scopeMetrics);
  return { scopeMetrics, resourceMetrics, total: delimitedBytes(RESOURCE_METRICS_FIELD, resourceMetrics) };
}

function encodeRequest(slices: readonly Slice[], scopeField: Uint8Array): OtlpRequest {
  let bytes = 0;
  for (const slice of slices) bytes += slice.bytes;
  const writer = new ProtoWriter(bytes);
  const view = writer.view();
  let points = 0;
  for (const { entry, from, to, metricBytes } of slices) {
    const { plan, resource, values } = entry;
    const { scopeMetrics, resourceMetrics } = sizeOf(scopeField, resource, metricBytes);
    writer.delimitedHead(RESOURCE_METRICS_FIELD, resourceMetrics);
    writer.raw(cached(resourceFields, resource, encodeResource));
    writer.delimitedHead(RESOURCE_METRICS.scopeMetrics, scopeMetrics);
    writer.raw(scopeField);
    const frame: Frame = {
      view,
      values,
      time: nanosAsDouble(entry.timeMs),
      start: nanosAsDouble(entry.startMs),
    };
    for (let i = from; i < to; i++) {
      const metric = plan.metrics[i] as MetricPlan;
      const at = writer.length;
      writer.raw(metric.template);
      fill(frame, metric, { at, column: plan.columns[i] as number });
      points += metric.points;
    }
  }
  return { bytes: writer.finish(), points };
}

function encodeScope({ name, version }: Scope): Uint8Array {
  const scope = new ProtoWriter();
  scope.text(SCOPE.name, name);
  scope.text(SCOPE.version, version);
  const field = new ProtoWriter();
  field.delimited(SCOPE_METRICS.scope, scope.finish());
  return field.finish();
}

function encodeResource({ attributes }: Resource): Uint8Array {
  const resource = new ProtoWriter();
  writeAttributes(resource, RESOURCE.attributes, attributes);
  const field = new ProtoWriter();
  field.delimited(RESOURCE_METRICS.resource, resource.finish());
  return field.finish();
}

function cached<K extends object, V>(cache: WeakMap<K, V>, key: K, make: (key: K) => V): V {
  let value = cache.get(key);
  if (value === undefined) {
    value = make(key);
    cache.set(key, value);
  }
  return value;
}

const nanos = new BigUint64Array(1);
const nanosBits = new Float64Array(nanos.buffer);

/**
 * The double whose 8 bytes are the nanoseconds of a Unix time: every such time until the year 2262 is a finite double,
 * so that the loops above write one kind of number. Times that make no sense are 0, which OTLP reads as unknown.
 */
function nanosAsDouble(ms: number): number {
  const sane = ms > 0 && ms < 9e12;
  // Microseconds are whole in a double, nanoseconds are not.
  nanos[0] = sane ? BigInt(Math.round(ms * 1_000)) * 1_000n : 0n;
  return nanosBits[0] as number;
}
