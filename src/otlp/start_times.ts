// SPDX-License-Identifier: Apache-2.0
// This is a hot path; `npm run bench -- otlp` measures it. `as number` tells the compiler that each index is in range.

import type { Reading, Schema } from "../metrics/model.ts";
import { carryOver } from "./carry_over.ts";
import { type CounterColumns, countersOf } from "./counters.ts";
import { EMPTY_SCHEMA, goneBetween } from "./gone.ts";

/** The last numbers of the series of a schema. */
interface Known {
  readonly schema: Schema;
  /** A row in the schema's layout with the last number of each counter; NaN if the counter had none yet. */
  readonly values: Float64Array;
  /** When each counter of the schema started again from 0, in the schema's layout. */
  readonly restarts: Restarts;
}

/**
 * When counters started again from 0, in Unix milliseconds. It is a row in a schema's layout: the first column of each
 * point has the time at which the point restarted, or 0 if it has counted since the reading's own start. Undefined if
 * no point has restarted. Nobody writes to a row after `next` or `restartsIn` has returned it.
 */
export type Restarts = Float64Array | undefined;

/**
 * The most groups of absent counters that are remembered. All counters of a group became absent with the same reading.
 */
const ABSENT_MAX = 8;

/**
 * Finds out when each counter of one resource began to count. A reading's own start is the start of the sandbox. But
 * the agent in the guest may restart while the shim goes on, and then the guest's counters fall. The start of a counter
 * that fell is the time of the reading before, so that no two intervals of a series overlap. Counters that did not fall
 * keep their start: with a new start, a receiver that makes deltas would count their whole value again.
 *
 * Counters that are absent from some readings are remembered, also if they are absent because their points were not
 * sound.
 */
export class StartTimes {
  #last: Known = { schema: EMPTY_SCHEMA, values: new Float64Array(0), restarts: undefined };
  /** The time of the last reading. */
  #lastMs = 0;
  /** Series that earlier readings had and the last one did not, in groups. The first group is absent longest. */
  #absent: readonly Known[] = [];

  /**
   * Finds the restarts of a reading's counters. The caller passes all readings of the resource in their order, with
   * sound points only (see `soundPart`).
   */
  next({ schema, values, timeMs }: Reading): Restarts {
    const before = schema === this.#last.schema ? this.#last : this.#changeTo(schema);
    const counters = countersOf(schema);
    // The reading's row is kept without a copy, since nobody writes to a reading after it was passed on.
    let after: Known = { schema, values, restarts: before.restarts };
    if (!allRise(counters.columns, before.values, values)) {
      // If the clock was set back, the reading before has a later time. But a start must be before its point's time.
      after = restartFallen(before, values, { counters, sinceMs: Math.min(this.#lastMs, timeMs - 1) });
    }
    this.#last = after;
    this.#lastMs = timeMs;
    return after.restarts;
  }

  /** Converts numbers and restarts to the layout of the schema. Series that the schema does not have become absent. */
  #changeTo(schema: Schema): Known {
    const parts = [...this.#absent, this.#last];
    const values = new Float64Array(schema.width).fill(Number.NaN);
    for (const part of parts) carryOver(part.values, values, { before: part.schema, after: schema });
    const restarts = restartsIn(schema, parts);
    this.#absent = parts.flatMap((part) => without(part, schema)).slice(-ABSENT_MAX);
    return { schema, values, restarts };
  }
}

/** Returns the series of `part` that the schema does not have, as one group; no group if no counter is among them. */
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

/** Whether each counter had a number in `before`, and none has a lower number in `after`. */
function allRise(columns: Uint32Array, before: Float64Array, after: Float64Array): boolean {
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i] as number;
    if (!((after[column] as number) >= (before[column] as number))) return false;
  }
  return true;
}

/** Returns the state after `row`, in which each counter that fell has restarted at `sinceMs`. */
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
