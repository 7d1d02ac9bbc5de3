// SPDX-License-Identifier: Apache-2.0

import { memoized } from "../metrics/memoized.ts";
import { type Kind, pointWidth, type Schema } from "../metrics/model.ts";

/** The columns of a schema whose numbers fall only if their counter restarts. The lists have the same length. */
export interface CounterColumns {
  /** The columns of a sum's value, of a summary's count, and of a histogram's cumulative buckets and count. */
  readonly columns: Uint32Array;
  /** At the same index: the first column of the point that has the column. */
  readonly points: Uint32Array;
}

/** Returns the counters of a schema. It finds them once for each schema. */
export const countersOf: (schema: Schema) => CounterColumns = memoized(findCounters);

function findCounters(schema: Schema): CounterColumns {
  const columns: number[] = [];
  const points: number[] = [];
  for (const [index, family] of schema.families.entries()) {
    let first = schema.offsets[index] ?? 0;
    for (const { bounds } of family.points) {
      for (const column of risingColumns(family.kind, bounds.length)) {
        columns.push(first + column);
        points.push(first);
      }
      first += pointWidth(family.kind, bounds.length);
    }
  }
  return { columns: Uint32Array.from(columns), points: Uint32Array.from(points) };
}

/**
 * The columns of a point whose numbers never fall, counted from its first column. A histogram's or summary's sum may
 * fall, since observations can be negative.
 */
function risingColumns(kind: Kind, boundCount: number): readonly number[] {
  switch (kind) {
    case "gauge":
    case "unknown":
      return [];
    case "sum":
      return [0];
    case "histogram": {
      const buckets = Array.from({ length: boundCount + 1 }, (_, bucket) => bucket);
      return [...buckets, boundCount + 2];
    }
    case "summary":
      return [boundCount + 1];
  }
}

/** Whether points of this kind have a start time. */
export function isCounting(kind: Kind): boolean {
  return kind === "sum" || kind === "histogram" || kind === "summary";
}
