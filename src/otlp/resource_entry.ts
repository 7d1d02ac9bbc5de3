// SPDX-License-Identifier: Apache-2.0

import { memoized } from "../metrics/memoized.ts";
import type { Family, Reading, Resource, Schema } from "../metrics/model.ts";
import { type MetricPlan, planEndedFamily, planFamily } from "./metric_plan.ts";
import type { Restarts } from "./start_times.ts";

/** One resource's part of a request: a reading, or the end of series. */
export interface ResourceEntry {
  readonly resource: Resource;
  readonly plan: EntryPlan;
  readonly values: Float64Array;
  readonly timeMs: number;
  readonly startMs: number;
  /** In the layout of the plan's schema. */
  readonly restarts: Restarts;
}

interface EntryPlan {
  readonly metrics: readonly MetricPlan[];
  /** The first column of each metric. */
  readonly columns: readonly number[];
  /** Of all templates together. */
  readonly bytes: number;
  readonly isEnd: boolean;
}

/** Series of a resource that have no value any more. */
export interface EndedSeries {
  readonly resource: Resource;
  readonly schema: Schema;
  readonly timeMs: number;
  /** Since when they have counted. */
  readonly startMs: number;
  /** In the schema's layout. */
  readonly restarts: Restarts;
}

const NO_VALUES = new Float64Array(0);

// Plans depend on nothing but the family, so all exporters share them; they go when the family does.
const planOfFamily = memoized(planFamily);
const planOfEndedFamily = memoized(planEndedFamily);
const planOfSchema = memoized((schema: Schema) => composePlan(schema, false));
const planOfEnded = memoized((schema: Schema) => composePlan(schema, true));

export function readingEntry(
  { resource, schema, values, timeMs, startMs }: Reading,
  restarts: Restarts,
): ResourceEntry {
  return { resource, plan: planOfSchema(schema), values, timeMs, startMs, restarts };
}

export function endedEntry({ resource, schema, timeMs, startMs, restarts }: EndedSeries): ResourceEntry {
  return { resource, plan: planOfEnded(schema), values: NO_VALUES, timeMs, startMs, restarts };
}

function composePlan({ families, offsets }: Schema, isEnd: boolean): EntryPlan {
  const plansOf: (family: Family) => readonly MetricPlan[] = isEnd ? planOfEndedFamily : planOfFamily;
  const metrics: MetricPlan[] = [];
  const columns: number[] = [];
  let bytes = 0;
  for (const [index, family] of families.entries()) {
    for (const metric of plansOf(family)) {
      metrics.push(metric);
      columns.push((offsets[index] ?? 0) + metric.column);
      bytes += metric.template.length;
    }
  }
  return { metrics, columns, bytes, isEnd };
}
