// SPDX-License-Identifier: Apache-2.0
import { hash } from "node:crypto";
import { type Family, type Point, pointWidth } from "../../metrics/model.ts";

/** A family is remembered itself if its points have labels of at most this many characters on average. */
const POINT_CHARS_MAX = 64;

/** The indices of a family's points that may stay. */
export type Kept = readonly number[];

/**
 * The series that one source has brought over its life. They are counted as a reader counts them: by name and labels, and
 * each line of a histogram separately. Their number is limited, and those that came first stay.
 *
 * An honest source brings the same interned families all its life, and only these are remembered. Single series are
 * remembered only for families that came in several variants. They are kept as hashes, since their labels may be long.
 */
export class KnownSeries {
  readonly #seriesMax: number;
  /** By name, the only variant of a family so far. All of its series are known. */
  readonly #families = new Map<string, Family>();
  /** By name, the hashes of the known series of a family with several variants. */
  readonly #series = new Map<string, Set<string>>();
  /** Families whose series are all known. */
  readonly #whole = new WeakSet<Family>();
  /** The points that may stay of other families. They never change: once a series is left out, the limit is reached. */
  readonly #kept = new WeakMap<Family, Kept>();
  #count = 0;

  constructor(seriesMax: number) {
    this.#seriesMax = seriesMax;
  }

  get count(): number {
    return this.#count;
  }

  /** The number of names that are remembered. Each has at least one series. */
  get nameCount(): number {
    return this.#families.size + this.#series.size;
  }

  /** Counts the family's series against the limit. Returns the indices of the points within it; undefined if all are. */
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
    // Beyond the limit, a source could bring new names for ever.
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

/** Returns a hash that is equal for the same labels in any order. */
function keyOf({ attributes, boundTexts }: Point): string {
  const pairs = attributes.map(({ key, value }) => `${key}=${value.length}:${value}`).sort();
  return hash("sha256", [...pairs, "", ...boundTexts].join("\n"), "base64url");
}
