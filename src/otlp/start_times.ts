// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- otlp. Indices are in range by construction, which `as number` tells the compiler.

import type { Reading, Schema } from "../metrics/model.ts";
import { carryOver } from "./carry_over.ts";
import { type CounterColumns, countersOf } from "./counters.ts";
import { EMPTY_SCHEMA, goneBetween } from "./gone.ts";

/** What is known of some series: rows in the layout of the schema. */
interface Known {
  readonly schema: Schema;
  /** What each counter said last; NaN where it said nothing yet. */
  readonly values: Float64Array;
  readonly restarts: Restarts;
}

/**
 * Times at which counters started anew, in Unix milliseconds, in the first column of each point of a row; 0 for points
 * that have counted since the reading's own start, and no row where all have. A row is never written after hand-over.
 */
export type Restarts = Float64Array | undefined;

/** Groups of counters that are remembered while the source does not report them. A group left at one time. */
const ABSENT_MAX = 8;

/**
 * Finds out since when the counters of one resource count. A reading's own start is that of the sandbox, but a guest's
 * agent may restart while its shim goes on, and its counters fall. The start of those that fell is then the time of the
 * reading before, so that no two intervals of a series overlap. The others keep their start: a receiver that makes
 * deltas would count their whole value again.
 *
 * A counter that the source leaves out for a while is remembered. So is one whose point was not sound for a while.
 */
export class StartTimes {
  #last: Known = { schema: EMPTY_SCHEMA, values: new Float64Array(0), restarts: undefined };
  #lastMs = 0;
  /** Series that the last reading did not have, each in one group, in the order in which they left. */
  #absent: readonly Known[] = [];

  /**
   * Finds the restarts of a reading's counters. The caller passes the readings in order, also one that is offered again,
   * with their sound points only (`soundPart`).
   */
  next({ schema, values, timeMs }: Reading): Restarts {
    const before = schema === this.#last.schema ? this.#last : this.#changeTo(schema);
    const counters = countersOf(schema);
    // The reading's row is kept, not copied: nobody writes to it any more.
    let after: Known = { schema, values, restarts: before.restarts };
    if (!allRise(counters.columns, before.values, values)) {
      // After a clock was set back, the reading before has a later time than this one.
      after = restartFallen(before, values, { counters, sinceMs: Math.min(this.#lastMs, timeMs - 1) });
    }
    this.#last = after;
    this.#lastMs = timeMs;
    return after.restarts;
  }

  /** What is known of the series of another layout; those that it lacks go to the absent ones. */
  #changeTo(schema: Schema): Known {
    const parts = [...this.#absent, this.#last];
    const values = new Float64Array(schema.width).fill(Number.NaN);
    for (const part of parts) carryOver(part.values, values, { before: part.schema, after: schema });
    const restarts = restartsIn(schema, parts);
    this.#absent = parts.flatMap((part) => without(part, schema)).slice(-ABSENT_MAX);
    return { schema, values, restarts };
  }
}

/** The part that the schema lacks; none where it lacks no counter. */
function without(part: Known, schema: Schema): readonly Known[] {
  const gone = goneBetween(part.schema, schema);
  if (countersOf(gone).columns.length === 0) return [];
  if (gone.width === part.schema.width) return [part];
  const values = new Float64Array(gone.width);
  carryOver(part.values, values, { before: part.schema, after: gone });
  return [{ schema: gone, values, restarts: restartsIn(gone, [part]) }];
}

/** The restarts of the parts' series in the layout of another schema. */
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

/** False where a counter fell, and where it said nothing before. */
function allRise(columns: Uint32Array, before: Float64Array, after: Float64Array): boolean {
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i] as number;
    if (!((after[column] as number) >= (before[column] as number))) return false;
  }
  return true;
}

/** What is known after a row of which `allRise` is false. */
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
