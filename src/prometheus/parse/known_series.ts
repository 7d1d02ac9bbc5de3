// SPDX-License-Identifier: Apache-2.0
import { hash } from "node:crypto";
import { type Family, type Point, pointWidth } from "../../metrics/model.ts";

/** As long as the labels of a family's points are on average, at most, for the family itself to be remembered. */
const POINT_CHARS_MAX = 64;

/** The points of a family that may stay, by their indices. */
export type Kept = readonly number[];

/**
 * The series that one source has brought over its life, as a reader counts them: by name and labels, every line of a
 * histogram for itself. There are so many at most, and those that came first stay.
 *
 * Honest sources bring the same interned families all their life, which are all that is remembered of them. Single series
 * are remembered only of families that came in several variants, and as hashes: their labels may be long.
 */
export class KnownSeries {
  readonly #seriesMax: number;
  /** By name: the only variant so far, all of whose series are known. */
  readonly #families = new Map<string, Family>();
  /** By name, of the other families: the hashes of what is known of them. */
  readonly #series = new Map<string, Set<string>>();
  /** Families whose series are all known. */
  readonly #whole = new WeakSet<Family>();
  /** What may stay of others. It does not change any more: where something is left out, the limit is reached. */
  readonly #kept = new WeakMap<Family, Kept>();
  #count = 0;

  constructor(seriesMax: number) {
    this.#seriesMax = seriesMax;
  }

  get count(): number {
    return this.#count;
  }

  /** Names of which something is remembered; each has a series at least. */
  get nameCount(): number {
    return this.#families.size + this.#series.size;
  }

  /** Takes a family of a page. Undefined where all of its points may stay. */
  admit(family: Family): Kept | undefined {
    if (this.#whole.has(family)) return undefined;
    const known = this.#kept.get(family);
    if (known !== undefined) return known;
    if (this.#takeFirst(family)) {
      this.#whole.add(family);
      return undefined;
    }
    const kept = this.#takePoints(family);
    if (kept.length === family.points.length) {
      this.#whole.add(family);
      return undefined;
    }
    this.#kept.set(family, kept);
    return kept;
  }

  /** Whether the family is the first of its name, and small enough to be remembered itself. */
  #takeFirst(family: Family): boolean {
    const { name, width } = family;
    const isFirst = !this.#families.has(name) && !this.#series.has(name);
    if (!isFirst || this.#count + width > this.#seriesMax || !isSmall(family)) return false;
    this.#families.set(name, family);
    this.#count += width;
    return true;
  }

  #takePoints(family: Family): Kept {
    const { name } = family;
    const series = this.#series.get(name) ?? new Set(this.#families.get(name)?.points.map(keyOf));
    const kept: number[] = [];
    for (const [index, point] of family.points.entries()) {
      const key = keyOf(point);
      if (!series.has(key)) {
        const width = pointWidth(family.kind, point.bounds.length);
        if (this.#count + width > this.#seriesMax) continue;
        series.add(key);
        this.#count += width;
      }
      kept.push(index);
    }
    // Past the limit names come without end.
    if (series.size > 0) {
      this.#families.delete(name);
      this.#series.set(name, series);
    }
    return kept;
  }
}

function isSmall({ points }: Family): boolean {
  let chars = 0;
  for (const { attributes } of points)
    for (const { key, value } of attributes) chars += key.length + value.length;
  return chars <= points.length * POINT_CHARS_MAX;
}

/** Labels make a series whatever their order. */
function keyOf({ attributes, boundTexts }: Point): string {
  const pairs = attributes.map(({ key, value }) => `${key}=${value.length}:${value}`).sort();
  return hash("sha256", [...pairs, "", ...boundTexts].join("\n"), "base64url");
}
