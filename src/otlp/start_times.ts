// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- otlp. Indices are in range by construction, which `as number` tells the compiler.

import type { Reading, Schema } from "../metrics/model.ts";
import { carryOver } from "./carry_over.ts";
import { type CounterColumns, countersOf } from "./counters.ts";
import { EMPTY_SCHEMA, goneBetween } from "./gone.ts";

/** The last numbers of some series: rows in the layout of the schema. */
interface Known {
  readonly schema: Schema;
  /** The last number of each counter; NaN if it had none yet. */
  readonly values: Float64Array;
  readonly restarts: Restarts;
}

/**
 * A row of the times at which counters started again from 0, in Unix milliseconds. The first column of each point has its
 * time; 0 means that it has counted since the reading's own start. Undefined if all points have. A row is never written
 * after it was handed over.
 */
export type Restarts = Float64Array | undefined;

/** The most groups of absent counters that are remembered. The counters of a group were left out for the first time together. */
const ABSENT_MAX = 8;

/**
 * Finds out when each counter of one resource began to count. A reading's own start is that of the sandbox. But the agent
 * in the guest may restart while the shim goes on, and then its counters fall. The start of a counter that fell is the time
 * of the reading before, so that no two intervals of a series overlap. The other counters keep their start: with a new one,
 * a receiver that makes deltas would count their whole value again.
 *
 * Counters that are absent from some readings are remembered, also those whose points were not sound.
 */
export class StartTimes {
  #last: Known = { schema: EMPTY_SCHEMA, values: new Float64Array(0), restarts: undefined };
  #lastMs = 0;
  /** The series that the last reading did not have, in groups. The group that became absent first is the first. */
  #absent: readonly Known[] = [];

  /**
   * Finds the restarts of a reading's counters. The caller passes all readings of the resource in their order, with sound
   * points only (see `soundPart`).
   */
  next({ schema, values, timeMs }: Reading): Restarts {
    const before = schema === this.#last.schema ? this.#last : this.#changeTo(schema);
    const counters = countersOf(schema);
    // The reading's row is kept without a copy, since it is never written after hand-over.
    let after: Known = { schema, values, restarts: before.restarts };
    if (!allRise(counters.columns, before.values, values)) {
      // After the clock was set back, the reading before has a later time than this one.
      after = restartFallen(before, values, { counters, sinceMs: Math.min(this.#lastMs, timeMs - 1) });
    }
    this.#last = after;
    this.#lastMs = timeMs;
    return after.restarts;
  }

  /** Converts what is known to another layout. Series that the layout does not have become absent. */
  #changeTo(schema: Schema): Known {
    const parts = [...this.#absent, this.#last];
    const values = new Float64Array(schema.width).fill(Number.NaN);
    for (const part of parts) carryOver(part.values, values, { before: part.schema, after: schema });
    const restarts = restartsIn(schema, parts);
    this.#absent = parts.flatMap((part) => without(part, schema)).slice(-ABSENT_MAX);
    return { schema, values, restarts };
  }
}

/** Returns the part's series that the schema does not have, or nothing if no counter is among them. */
function without(part: Known, schema: Schema): readonly Known[] {
  const gone = goneBetween(part.schema, schema);
  if (countersOf(gone).columns.length === 0) return [];
  if (gone.width === part.schema.width) return [part];
  const values = new Float64Array(gone.width);
  carryOver(part.values, values, { before: part.schema, after: gone });
  return [{ schema: gone, values, restarts: restartsIn(gone, [part]) }];
}

/** Converts the restarts of the parts' series to the layout of the schema. */
export function restartsIn(
  schema: Schema,
  parts: readonly { readonly schema: Schema; readonly restarts: Restarts }[],
): Restarts {
  let row: Restarts;
  for (const { schema: before, restarts } of parts) {
    if (restarts === undefined) continue;
    row ??= new Float64Array(schema.width);
    carryOver(restarts, row, { before, after: schema });
  }
  return row;
}

/** Whether no counter fell and each had a number before. */
function allRise(columns: Uint32Array, before: Float64Array, after: Float64Array): boolean {
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i] as number;
    if (!((after[column] as number) >= (before[column] as number))) return false;
  }
  return true;
}

/** Notes the restarts of the counters that fell in this row. To be called when `allRise` is false. */
function restartFallen(
  before: Known,
  row: Float64Array,
  { counters, sinceMs }: { readonly counters: CounterColumns; readonly sinceMs: number },
): Known {
  let { restarts } = before;
  for (let i = 0; i < counters.columns.length; i++) {
    const column = counters.columns[i] as number;
    if (!((row[column] as number) < (before.values[column] as number))) continue;
    if (restarts === before.restarts) restarts = restarts?.slice() ?? new Float64Array(row.length);
    (restarts as Float64Array)[counters.points[i] as number] = sinceMs;
  }
  return { schema: before.schema, values: row, restarts };
}
