import type { Attributes, Family, Point, Schema } from "../metrics/model.ts";

// What is gone between two schemas is asked for again at every scrape that alternates between them.
const known = new WeakMap<Schema, WeakMap<Schema, readonly Family[]>>();

const NOTHING: readonly Family[] = [];

/**
 * The series that `before` has and `after` has not: whole families, and of families that lost some points one with
 * just these (which is not interned).
 */
export function goneBetween(before: Schema, after: Schema): readonly Family[] {
  if (before === after) return NOTHING;
  let byAfter = known.get(before);
  if (byAfter === undefined) {
    byAfter = new WeakMap();
    known.set(before, byAfter);
  }
  let gone = byAfter.get(after);
  if (gone === undefined) {
    gone = compare(before, after);
    byAfter.set(after, gone);
  }
  return gone;
}

function compare(before: Schema, after: Schema): Family[] {
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
    if (points.length > 0) gone.push({ ...family, points });
  }
  return gone;
}

/** A series is its attributes; for the receivers that split histograms, its bounds as well. */
function pointKey({ attributes, bounds }: Point): string {
  return JSON.stringify([pairs(attributes), bounds]);
}

/** Whether two lists say the same, in the same order. */
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
