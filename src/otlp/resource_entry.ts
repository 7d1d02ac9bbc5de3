// SPDX-License-Identifier: Apache-2.0

import { memoized } from "../metrics/memoized.ts";
import type { Family, Reading, Resource, Schema } from "../metrics/model.ts";
import { type MetricPlan, planEndedFamily, planFamily } from "./metric_plan.ts";
import type { Restarts } from "./start_times.ts";

/** The part of a request that concerns one resource: a reading, or ends of series. */
export interface ResourceEntry {
  readonly resource: Resource;
  readonly plan: EntryPlan;
  /** The numbers of the reading; empty for ends of series. */
  readonly values: Float64Array;
  readonly timeMs: number;
  readonly startMs: number;
  /** The restarts of the counters, in the layout of the schema for which `plan` was made. */
  readonly restarts: Restarts;
}

/** The compiled metrics of a schema. */
interface EntryPlan {
  readonly metrics: readonly MetricPlan[];
  /** At the same index: the first column of the metric in the reading's row. */
  readonly columns: readonly number[];
  /** The number of bytes of all templates together. */
  readonly bytes: number;
  /** Whether the points say that their series have ended. */
  readonly isEnd: boolean;
}

/** Series of a resource that have ended. */
export interface EndedSeries {
  readonly resource: Resource;
  readonly schema: Schema;
  readonly timeMs: number;
  /** When the series began to count, in Unix milliseconds. */
  readonly startMs: number;
  /** The restarts of the counters, in the layout of `schema`. */
  readonly restarts: Restarts;
}

const NO_VALUES = new Float64Array(0);

// A plan depends only on its family or schema. So it is compiled once, and all exporters share it.
const planOfFamily = memoized(planFamily);
const planOfEndedFamily = memoized(planEndedFamily);
const planOfSchema = memoized((schema: Schema) => composePlan(schema, false));
const planOfEnded = memoized((schema: Schema) => composePlan(schema, true));

/** Makes the entry of a reading. Compiles the schema when it comes for the first time. */
export function readingEntry(
  { resource, schema, values, timeMs, startMs }: Reading,
  restarts: Restarts,
): ResourceEntry {
  return { resource, plan: planOfSchema(schema), values, timeMs, startMs, restarts };
}

/** Makes the entry of ended series. */
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
