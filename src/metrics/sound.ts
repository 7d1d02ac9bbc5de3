// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- otlp. Indices are in range by construction, which `as number` tells the compiler.

import { BoundedMap } from "./bounded_map.ts";
import { getOrMake, memoized } from "./memoized.ts";
import {
  type Family,
  type Kind,
  type Point,
  pointWidth,
  type Reading,
  type Resource,
  type Schema,
} from "./model.ts";
import { familyPart, schemaPart } from "./part.ts";

/** A point whose kind counts something: a sum, histogram or summary. */
export interface CountingPoint {
  readonly family: Family;
  readonly point: Point;
  readonly kind: Kind;
  /** The column of the reading that has the point's first number. */
  readonly column: number;
  /** The number of the point's bounds or quantiles. */
  readonly boundCount: number;
}

/**
 * Called with the families of the points that are left out of a reading. If several points of a family are left out,
 * the family is in the list once for each.
 */
export type OnUnsound = (families: readonly Family[], resource: Resource) => void;

/** Whether the point's numbers in the row are possible for its kind. */
export type PointCheck = (values: Float64Array, point: CountingPoint) => boolean;

/**
 * Returns the reading without the points that fail the check, or the reading itself if none fails. The other points
 * keep their order. If the same points of a schema fail again, the schema of the result is the same object again.
 */
export function soundPart(reading: Reading, onUnsound: OnUnsound, check: PointCheck = isSoundPoint): Reading {
  const { values } = reading;
  const points = countingPointsOf(reading.schema);
  for (let i = 0; i < points.length; i++)
    if (!check(values, points[i] as CountingPoint)) return partOf(reading, onUnsound, check);
  return reading;
}

/**
 * Whether the point's numbers can be counts:
 *
 * - A sum is a finite number from 0 up.
 * - The buckets of a histogram are whole numbers from 0 up, none is less than the one before, and the count equals the
 *   last.
 * - The count of a summary is a whole number from 0 up.
 */
export function isSoundPoint(values: Float64Array, { kind, column, boundCount }: CountingPoint): boolean {
  switch (kind) {
    case "sum": {
      const value = values[column] as number;
      return value >= 0 && value < Number.POSITIVE_INFINITY;
    }
    case "histogram": {
      const infinite = column + boundCount;
      let below = 0;
      for (let at = column; at <= infinite; at++) {
        const count = values[at] as number;
        if (!(count >= below && Math.floor(count) === count)) return false;
        below = count;
      }
      return below <= Number.MAX_SAFE_INTEGER && values[infinite + 2] === below;
    }
    case "summary": {
      const count = values[column + boundCount + 1] as number;
      return count >= 0 && count <= Number.MAX_SAFE_INTEGER && Math.floor(count) === count;
    }
    case "gauge":
    case "unknown":
      return true;
  }
}

const countingPointsOf = memoized((schema: Schema): readonly CountingPoint[] => {
  const counting: CountingPoint[] = [];
  for (const [index, family] of schema.families.entries()) {
    const { kind } = family;
    let column = schema.offsets[index] ?? 0;
    for (const point of family.points) {
      const boundCount = point.bounds.length;
      if (kind !== "gauge" && kind !== "unknown") counting.push({ family, point, kind, column, boundCount });
      column += pointWidth(kind, boundCount);
    }
  }
  return counting;
});

/** A schema without some of its points. */
interface SchemaPart {
  readonly schema: Schema;
  /** The column of the whole schema, for each column of the part. */
  readonly columns: Uint32Array;
}

/**
 * The most parts of one schema that are kept. At the limit, all of them are forgotten. A part that is made again is a
 * new object, for which exporters compile new plans.
 */
const PARTS_MAX = 16;
const partsOf = memoized((_: Schema) => new BoundedMap<string, SchemaPart>(PARTS_MAX));

function partOf(reading: Reading, onUnsound: OnUnsound, check: PointCheck): Reading {
  const { schema, values } = reading;
  const unsound = countingPointsOf(schema).filter((point) => !check(values, point));
  onUnsound(
    unsound.map(({ family }) => family),
    reading.resource,
  );
  const without = unsound.map(({ column }) => column);
  const part = getOrMake(partsOf(schema), without.join(), () => schemaWithout(schema, new Set(without)));
  return {
    ...reading,
    schema: part.schema,
    values: Float64Array.from(part.columns, (column) => values[column] ?? 0),
  };
}

/** Leaves out the points that begin in these columns, and the families of which no point is left. */
function schemaWithout({ families, offsets }: Schema, unsound: ReadonlySet<number>): SchemaPart {
  const kept: Family[] = [];
  const columns: number[] = [];
  for (const [index, family] of families.entries()) {
    const points: Point[] = [];
    let column = offsets[index] ?? 0;
    for (const point of family.points) {
      const end = column + pointWidth(family.kind, point.bounds.length);
      if (!unsound.has(column)) points.push(point);
      for (let at = column; at < end && !unsound.has(column); at++) columns.push(at);
      column = end;
    }
    if (points.length === family.points.length) kept.push(family);
    else if (points.length > 0) kept.push(familyPart(family, points));
  }
  return { schema: schemaPart(kept), columns: Uint32Array.from(columns) };
}
