// SPDX-License-Identifier: Apache-2.0
import { hash } from "node:crypto";
import { type Family, type Point, pointWidth } from "../../metrics/model.ts";

/**
 * If the labels of a family's points have more characters than this on average, only hashes of its series are
 * remembered and not the family, since long labels would take much memory.
 */
const POINT_CHARS_MAX = 64;

/** The indices of those points of a family that are within the limit on series. */
export type Kept = readonly number[];

/**
 * The series that one source has brought over its life. They are counted as a reader counts them: by name and labels,
 * and each line of a histogram separately. Their number is limited, and those that came first are kept.
 *
 * An honest source brings the same interned families all its life, and only these are remembered. Single series are
 * remembered only for a name under which the source has brought several families, or one with long labels. They are
 * remembered as hashes, since their labels may be long.
 */
export class KnownSeries {
  readonly #seriesMax: number;
  /**
   * By name, the family, as long as the source has brought only one family of this name. All of its series are counted.
   */
  readonly #families = new Map<string, Family>();
  /**
   * By name, hashes of the counted series, once the source has brought several families of this name, or one with long
   * labels.
   */
  readonly #series = new Map<string, Set<string>>();
  /** Families of which all series are counted, and so are within the limit. */
  readonly #whole = new WeakSet<Family>();
  /**
   * For families with series beyond the limit, the points within it. They never change, since the limit stays reached.
   */
  readonly #kept = new WeakMap<Family, Kept>();
  #count = 0;

  constructor(seriesMax: number) {
    this.#seriesMax = seriesMax;
  }

  get count(): number {
    return this.#count;
  }

  /** The number of family names that are remembered. Each has at least one series. */
  get nameCount(): number {
    return this.#families.size + this.#series.size;
  }

  /**
   * Counts the family's series against the limit. Returns the indices of the points within it; undefined if all are.
   */
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

  /**
   * Counts and remembers the family itself if it is the first of its name, its labels are short, and it is within the
   * limit. Returns whether it did so.
   */
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
    // A name of which no series is counted is not remembered. Otherwise a source that has reached the limit could bring
    // new names for ever.
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

/** Returns a hash of the point's labels and bounds. It does not depend on the order of the labels. */
function keyOf({ attributes, boundTexts }: Point): string {
  const pairs = attributes.map(({ key, value }) => `${key}=${value.length}:${value}`).sort();
  return hash("sha256", [...pairs, "", ...boundTexts].join("\n"), "base64url");
}
