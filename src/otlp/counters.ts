// SPDX-License-Identifier: Apache-2.0

import { memoized } from "../metrics/memoized.ts";
import { type Kind, pointWidth, type Schema } from "../metrics/model.ts";

/** The columns of a schema that only go up as long as nothing starts anew: two lists of equal length. */
export interface CounterColumns {
  /** A sum's value, a summary's count, a histogram's cumulative buckets and its count. */
  readonly columns: Uint32Array;
  /** The first column of the point to which the column at the same index belongs. */
  readonly points: Uint32Array;
}

/** The counters of a schema, found once for each. */
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

/** Counted from the point's first. The sums of histograms and summaries may fall: observations can be negative. */
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

/** Whether its points have a start time. */
export function isCounting(kind: Kind): boolean {
  return kind === "sum" || kind === "histogram" || kind === "summary";
}
