// SPDX-License-Identifier: Apache-2.0
import { type Family, type Point, pointWidth, type Schema } from "./model.ts";

/** Makes the family with only these of its points. The result is not interned. */
export function familyPart(family: Family, points: readonly Point[]): Family {
  let width = 0;
  for (const { bounds } of points) width += pointWidth(family.kind, bounds.length);
  return { ...family, points, width };
}

/** Makes the schema of these families in this order. The result is not interned. */
export function schemaPart(families: readonly Family[]): Schema {
  const offsets: number[] = [];
  let width = 0;
  for (const family of families) {
    offsets.push(width);
    width += family.width;
  }
  return { families, offsets, width };
}
