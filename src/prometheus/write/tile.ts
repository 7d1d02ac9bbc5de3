// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- write. Indices are in range by construction, which `as number` tells the compiler.

import type { Reading } from "../../metrics/model.ts";
import type { ComposedPage, SectionPart } from "../page/compose.ts";
import type { PageRow } from "../page/contenders.ts";
import { type PageFormat, WRITTEN_NUMBER_BYTES_MAX } from "../page/page_format.ts";
import type { LabelSet } from "../series/label_sets.ts";
import { type FamilyPlan, familyPlanOf } from "./family_plan.ts";
import { type Template, toTemplate } from "./template.ts";

/**
 * The most resources in a tile. The lines of one point follow each other for all resources of the tile, and are alike
 * except for the resources' labels. With this many resources, the lines of the next point repeat the labels within the
 * 32 KiB over which gzip looks back.
 */
const TILE_ROWS_MAX = 100;
/**
 * The most numbers in a tile: a quarter of a megabyte, which stays in the processor's cache. So a family of many series
 * has fewer rows in a tile.
 */
const TILE_VALUES_MAX = 32_768;

/** The facts about a page that its tiles depend on. */
export interface TileOptions {
  readonly format: PageFormat;
  readonly timestamps: boolean;
  /** `ResourceSuffixes.starts` of the page. */
  readonly suffixStarts: Int32Array;
}

/**
 * The numbers of one family for some resources, laid out for writing. They are in flat arrays, so that a line costs no
 * object and few cache misses. One tile is loaded again and again for a whole page.
 */
export class Tile {
  /** The number of resources whose numbers are in the tile. */
  rows = 0;
  /** By row, the position of the resource's suffix in `ResourceSuffixes.bytes` of the page. */
  readonly suffixStarts: Int32Array = new Int32Array(TILE_ROWS_MAX);
  readonly suffixLengths: Int32Array = new Int32Array(TILE_ROWS_MAX);
  /** The family's columns one after the other, each with `rows` numbers. */
  values: Float64Array = new Float64Array(TILE_VALUES_MAX);
  /** By row, the bytes after a line's number: a time and a line feed. Undefined if the page has no times. */
  ends: readonly Template[] | undefined;
  /** The most bytes that a line of the tile has after its prefix. */
  lineBytesMax = 0;

  /** Loads as many rows as fit, from the row `from` on, and returns their number. */
  load(from: number, { rows, offsets, width }: PlannedRows, options: TileOptions): number {
    const fitting = Math.max(1, Math.min(TILE_ROWS_MAX, Math.floor(TILE_VALUES_MAX / Math.max(1, width))));
    const count = Math.min(fitting, rows.length - from);
    if (count * width > this.values.length) this.values = new Float64Array(count * width);
    const { suffixStarts, suffixLengths, values } = this;
    const { suffixStarts: starts } = options;
    let longest = 0;
    for (let at = 0; at < count; at++) {
      const { index, reading } = rows[from + at] as PageRow;
      const start = starts[index] as number;
      const length = (starts[index + 1] as number) - start;
      suffixStarts[at] = start;
      suffixLengths[at] = length;
      if (length > longest) longest = length;
      const offset = offsets[from + at] as number;
      for (let column = 0, to = at; column < width; column++, to += count)
        values[to] = reading.values[offset + column] as number;
    }
    this.rows = count;
    this.ends = undefined;
    this.lineBytesMax = longest + WRITTEN_NUMBER_BYTES_MAX + 1;
    if (options.timestamps) this.#loadEnds(rows.slice(from, from + count), options);
    return count;
  }

  #loadEnds(rows: readonly PageRow[], { format }: TileOptions): void {
    this.ends = rows.map(({ reading }) => lineEnd(reading, format));
    this.lineBytesMax += Math.max(...this.ends.map(({ length }) => length));
  }
}

/** Returns a line feed with the time before it, in milliseconds in the text format and in seconds in OpenMetrics. */
function lineEnd({ timeMs }: Reading, format: PageFormat): Template {
  const wholeMs = Math.trunc(timeMs);
  return toTemplate(format === "text" ? ` ${wholeMs}\n` : ` ${(wholeMs / 1_000).toFixed(3)}\n`);
}

/**
 * The rows of a page that have one family and are written by one plan, since their resources have the same label names.
 */
export interface PlannedRows {
  readonly plan: FamilyPlan;
  readonly rows: readonly PageRow[];
  /** By row, the family's first column in the reading. */
  readonly offsets: readonly number[];
  readonly width: number;
}

/** Groups the rows of a family by plan. There is one group, unless resources have different label names. */
export function rowsByPlan(
  { onConflict }: ComposedPage,
  { named, places }: SectionPart,
): Iterable<PlannedRows> {
  const { width } = named.family;
  const found = new Map<LabelSet, { plan: FamilyPlan; rows: PageRow[]; offsets: number[]; width: number }>();
  for (const { offset, rows } of places) {
    for (const row of rows) {
      const { labelSet } = row.labels;
      let group = found.get(labelSet);
      if (group === undefined) {
        const plan = familyPlanOf(labelSet, named, onConflict);
        group = { plan, rows: [], offsets: [], width };
        found.set(labelSet, group);
      }
      group.rows.push(row);
      group.offsets.push(offset);
    }
  }
  return found.values();
}
