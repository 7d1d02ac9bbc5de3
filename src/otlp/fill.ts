// SPDX-License-Identifier: Apache-2.0
// This is a hot path; `npm run bench -- otlp` measures it. `as number` tells the compiler that each index is in range.

import {
  DISTRIBUTION_AT,
  ENDED_COUNTER_AT,
  ENDED_GAUGE_AT,
  GAUGE_AT,
  type MetricPlan,
  QUANTILE_BYTES,
  QUANTILE_VALUE_AT,
  START_AT,
  SUM_AT,
} from "./metric_plan.ts";
import { startAsDouble } from "./nanos.ts";
import type { Restarts } from "./start_times.ts";

/** The message that is being filled, and the numbers of the reading. */
export interface Frame {
  /** The bytes of the whole message. */
  readonly view: DataView;
  readonly values: Float64Array;
  /** The reading's time as a double whose 8 bytes are Unix nanoseconds (see `nanosAsDouble`). */
  readonly time: number;
  /** The reading's start as a double whose 8 bytes are Unix nanoseconds. */
  readonly start: number;
  /** The reading's time in Unix milliseconds. */
  readonly timeMs: number;
  /** The reading's start in Unix milliseconds. */
  readonly startMs: number;
  readonly restarts: Restarts;
}

/** A template's place in the message and in the reading. */
export interface TemplatePlace {
  /** The offset in the message to which the template was copied. */
  readonly at: number;
  /** The column of the template's first number in the reading's row. */
  readonly column: number;
}

/** Writes a reading's numbers into the holes of a template that was copied into the frame. */
export function fill(frame: Frame, plan: MetricPlan, place: TemplatePlace): void {
  switch (plan.shape) {
    case "gauge":
      fillGauges(frame, plan, place);
      break;
    case "sum":
      fillSums(frame, plan, place);
      break;
    case "histogram":
      fillHistograms(frame, plan, place);
      break;
    case "summary":
      fillSummaries(frame, plan, place);
      break;
    case "ended_gauge":
      fillEndedGauges(frame, plan, place);
      break;
    case "ended_counter":
      fillEndedCounters(frame, plan, place);
      break;
  }
  if (frame.restarts !== undefined) fillRestarts(frame, frame.restarts, { plan, place });
}

const GAUGE_TIME = GAUGE_AT.time;
const GAUGE_VALUE = GAUGE_AT.value;

function fillGauges({ view, values, time }: Frame, { at, points }: MetricPlan, place: TemplatePlace): void {
  for (let i = 0; i < points; i++) {
    const point = place.at + (at[i] as number);
    view.setFloat64(point + GAUGE_TIME, time, true);
    view.setFloat64(point + GAUGE_VALUE, values[place.column + i] as number, true);
  }
}

const SUM_START = SUM_AT.start;
const SUM_TIME = SUM_AT.time;
const SUM_VALUE = SUM_AT.value;

function fillSums(
  { view, values, time, start }: Frame,
  { at, points }: MetricPlan,
  place: TemplatePlace,
): void {
  for (let i = 0; i < points; i++) {
    const point = place.at + (at[i] as number);
    view.setFloat64(point + SUM_START, start, true);
    view.setFloat64(point + SUM_TIME, time, true);
    view.setFloat64(point + SUM_VALUE, values[place.column + i] as number, true);
  }
}

/**
 * A reading's buckets count all observations up to their bound; OTLP's buckets count only those above the bound before.
 * So differences are written. They are whole numbers, since the point is sound.
 */
function fillHistograms(frame: Frame, { at, points, bounds, tails }: MetricPlan, place: TemplatePlace): void {
  const { view, values } = frame;
  let column = place.column;
  for (let i = 0; i < points; i++) {
    const buckets = place.at + (tails[i] as number);
    const boundCount = bounds[i] as number;
    const sum = values[column + boundCount + 1] as number;
    let below = 0;
    for (let bucket = 0; bucket < boundCount; bucket++) {
      const upTo = values[column + bucket] as number;
      setFixed64(view, buckets + bucket * 8, upTo - below);
      below = upTo;
    }
    const count = values[column + boundCount + 2] as number;
    setFixed64(view, buckets + boundCount * 8, count - below);
    fillDistribution(frame, place.at + (at[i] as number), { count, sum });
    column += boundCount + 3;
  }
}

function fillSummaries(frame: Frame, { at, points, bounds, tails }: MetricPlan, place: TemplatePlace): void {
  const { view, values } = frame;
  let column = place.column;
  for (let i = 0; i < points; i++) {
    let quantile = place.at + (tails[i] as number) + QUANTILE_VALUE_AT;
    const boundCount = bounds[i] as number;
    for (let bound = 0; bound < boundCount; bound++) {
      view.setFloat64(quantile, values[column + bound] as number, true);
      quantile += QUANTILE_BYTES;
    }
    const sum = values[column + boundCount] as number;
    const count = values[column + boundCount + 1] as number;
    fillDistribution(frame, place.at + (at[i] as number), { count, sum });
    column += boundCount + 2;
  }
}

function fillDistribution(frame: Frame, point: number, { count, sum }: { count: number; sum: number }): void {
  const { view } = frame;
  view.setFloat64(point + DISTRIBUTION_AT.start, frame.start, true);
  view.setFloat64(point + DISTRIBUTION_AT.time, frame.time, true);
  setFixed64(view, point + DISTRIBUTION_AT.count, count);
  view.setFloat64(point + DISTRIBUTION_AT.sum, sum, true);
}

function fillEndedGauges({ view, time }: Frame, { at, points }: MetricPlan, place: TemplatePlace): void {
  for (let i = 0; i < points; i++) {
    view.setFloat64(place.at + (at[i] as number) + ENDED_GAUGE_AT.time, time, true);
  }
}

function fillEndedCounters(
  { view, time, start }: Frame,
  { at, points }: MetricPlan,
  place: TemplatePlace,
): void {
  for (let i = 0; i < points; i++) {
    const point = place.at + (at[i] as number);
    view.setFloat64(point + ENDED_COUNTER_AT.start, start, true);
    view.setFloat64(point + ENDED_COUNTER_AT.time, time, true);
  }
}

/** Overwrites the start times of the points that restarted after the reading's own start. */
function fillRestarts(
  { view, timeMs, startMs }: Frame,
  restarts: Float64Array,
  { plan, place }: { readonly plan: MetricPlan; readonly place: TemplatePlace },
): void {
  const { at, columns } = plan;
  let latest = 0;
  let latestAsDouble = 0;
  for (let i = 0; i < columns.length; i++) {
    const restart = restarts[place.column + (columns[i] as number)] as number;
    if (restart <= startMs) continue;
    // Most points restarted at the same time. The converted time is reused, since each conversion makes a bigint.
    if (restart !== latest) {
      latest = restart;
      latestAsDouble = startAsDouble(restart, timeMs);
    }
    view.setFloat64(place.at + (at[i] as number) + START_AT, latestAsDouble, true);
  }
}

const WORD = 0x1_0000_0000;

function setFixed64(view: DataView, at: number, value: number): void {
  const high = value < WORD ? 0 : Math.floor(value / WORD);
  view.setUint32(at, value - high * WORD, true);
  view.setUint32(at + 4, high, true);
}
