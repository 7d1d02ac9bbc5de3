// SPDX-License-Identifier: Apache-2.0

import { memoizedPair } from "../metrics/memoized.ts";
import type { Attributes, Family, Point, Schema } from "../metrics/model.ts";
import { familyPart, schemaPart } from "../metrics/part.ts";

/** A schema without families. */
export const EMPTY_SCHEMA: Schema = { families: [], offsets: [], width: 0 };

/**
 * Returns the series of `before` that `after` does not have, as a schema that is not interned. A family that lost only
 * some of its points is in it with these points. For the same two schemas, the result is always the same object.
 */
export function goneBetween(before: Schema, after: Schema): Schema {
  return before === after ? EMPTY_SCHEMA : compareOnce(before, after);
}

const compareOnce = memoizedPair(compare);

function compare(before: Schema, after: Schema): Schema {
  const kept = new Set(after.families);
  const byName = new Map(after.families.map((family) => [family.name, family]));
  const gone: Family[] = [];
  for (const family of before.families) {
    if (kept.has(family)) continue;
    const successor = byName.get(family.name);
    if (successor === undefined || successor.kind !== family.kind) {
      gone.push(family);
      continue;
    }
    const alive = new Set(successor.points.map(pointKey));
    const points = family.points.filter((point) => !alive.has(pointKey(point)));
    if (points.length > 0) gone.push(familyPart(family, points));
  }
  return schemaPart(gone);
}

/** Returns a key of a point's attributes and bounds. Bounds count, since some receivers make a series of each bound. */
export function pointKey({ attributes, bounds }: Point): string {
  return JSON.stringify([pairs(attributes), bounds]);
}

/** Whether two lists have the same attributes in the same order. */
export function sameAttributes(one: Attributes, other: Attributes): boolean {
  return (
    one === other ||
    (one.length === other.length &&
      one.every(({ key, value }, index) => other[index]?.key === key && other[index]?.value === value))
  );
}

function pairs(attributes: Attributes): string[] {
  return attributes.flatMap(({ key, value }) => [key, value]);
}
