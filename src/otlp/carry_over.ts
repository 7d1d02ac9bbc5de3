// SPDX-License-Identifier: Apache-2.0

import { memoizedPair } from "../metrics/memoized.ts";
import { type Family, type Point, pointWidth, type Schema } from "../metrics/model.ts";
import { isCounting } from "./counters.ts";
import { pointKey } from "./gone.ts";

/** The columns of the points of counters that two schemas have in common. Both lists have the same length. */
interface SharedColumns {
  /** The columns in the layout of the first schema. */
  readonly before: Uint32Array;
  /** At the same index: the column in the layout of the second schema. */
  readonly after: Uint32Array;
}

const sharedBetween = memoizedPair(findShared);

/**
 * Copies the numbers of the counters that both schemas have from `row`, in the layout of `before`, to `target`, in the
 * layout of `after`.
 */
export function carryOver(
  row: Float64Array,
  target: Float64Array,
  { before, after }: { readonly before: Schema; readonly after: Schema },
): void {
  const shared = sharedBetween(before, after);
  for (const [index, column] of shared.before.entries()) {
    target[shared.after[index] ?? 0] = row[column] ?? Number.NaN;
  }
}

function findShared(before: Schema, after: Schema): SharedColumns {
  const places = new Map<string, { readonly family: Family; readonly offset: number }>();
  for (const [index, family] of before.families.entries())
    places.set(family.name, { family, offset: before.offsets[index] ?? 0 });
  const from: number[] = [];
  const to: number[] = [];
  for (const [index, family] of after.families.entries()) {
    const place = places.get(family.name);
    if (place === undefined || place.family.kind !== family.kind || !isCounting(family.kind)) continue;
    const offset = after.offsets[index] ?? 0;
    for (const [column, earlier] of matchColumns(place.family, family)) {
      from.push(place.offset + earlier);
      to.push(offset + column);
    }
  }
  return { before: Uint32Array.from(from), after: Uint32Array.from(to) };
}

/**
 * Yields the columns of points that both families have, as [column in `after`, column in `before`], counted from each
 * family's first column.
 */
function* matchColumns(before: Family, after: Family): Generator<readonly [number, number]> {
  if (before === after) {
    for (let column = 0; column < after.width; column++) yield [column, column];
    return;
  }
  const earlier = new Map(pointColumns(before).map(({ point, first }) => [pointKey(point), first]));
  for (const { point, first } of pointColumns(after)) {
    const from = earlier.get(pointKey(point));
    if (from === undefined) continue;
    const width = pointWidth(after.kind, point.bounds.length);
    for (let column = 0; column < width; column++) yield [first + column, from + column];
  }
}

function pointColumns({ kind, points }: Family): { readonly point: Point; readonly first: number }[] {
  let first = 0;
  return points.map((point) => {
    const place = { point, first };
    first += pointWidth(kind, point.bounds.length);
    return place;
  });
}
