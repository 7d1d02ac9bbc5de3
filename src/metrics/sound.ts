// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- otlp. Indices are in range by construction, which `as number` tells the compiler.

import { memoized } from "./memoized.ts";
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

/** A point whose kind says that it counts, and where its numbers begin in a reading. */
export interface CountingPoint {
  readonly family: Family;
  readonly point: Point;
  readonly kind: Kind;
  readonly column: number;
  /** The number of its bounds or quantiles. */
  readonly boundCount: number;
}

/** Hears of the points that are left out of a reading, by their families: of two points of one family twice. */
export type OnUnsound = (families: readonly Family[], resource: Resource) => void;

/** Whether the numbers of the row are what the point's kind says. */
export type PointCheck = (values: Float64Array, point: CountingPoint) => boolean;

/**
 * The reading without the points that fail the check; the reading itself where none does. What is left keeps its order,
 * and where the same points of a schema fail again, the schema that is left is the same object again.
 */
export function soundPart(reading: Reading, onUnsound: OnUnsound, check: PointCheck = isSoundPoint): Reading {
  const { values } = reading;
  const points = countingPointsOf(reading.schema);
  for (let i = 0; i < points.length; i++)
    if (!check(values, points[i] as CountingPoint)) return partOf(reading, onUnsound, check);
  return reading;
}

/**
 * Whether the point counts what can be counted: a sum is a finite number from 0 up; the buckets of a histogram are whole
 * numbers from 0 up that never fall, and its count is the last of them; the count of a summary is a whole number.
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

/** What is left of a schema without some points, and the columns that it had there. */
interface SchemaPart {
  readonly schema: Schema;
  readonly columns: Uint32Array;
}

/** Parts of one schema that are remembered. A source that leaves out other points each time has new plans made each time. */
const PARTS_MAX = 16;
const partsOf = memoized((_: Schema) => new Map<string, SchemaPart>());

function partOf(reading: Reading, onUnsound: OnUnsound, check: PointCheck): Reading {
  const { schema, values } = reading;
  const unsound = countingPointsOf(schema).filter((point) => !check(values, point));
  onUnsound(
    unsound.map(({ family }) => family),
    reading.resource,
  );
  const parts = partsOf(schema);
  const key = unsound.map(({ column }) => column).join();
  let part = parts.get(key);
  if (part === undefined) {
    if (parts.size >= PARTS_MAX) parts.clear();
    part = schemaWithout(schema, new Set(unsound.map(({ column }) => column)));
    parts.set(key, part);
  }
  return {
    ...reading,
    schema: part.schema,
    values: Float64Array.from(part.columns, (column) => values[column] ?? 0),
  };
}

/** Without the points that begin in these columns, and without the families of which nothing is left. */
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
