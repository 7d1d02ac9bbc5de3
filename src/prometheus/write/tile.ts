// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- write. Indices are in range by construction, which `as number` tells the compiler.

import type { Reading } from "../../metrics/model.ts";
import type { Page, Part } from "../page/compose.ts";
import type { PageRow } from "../page/contenders.ts";
import type { PageFormat } from "../series/names.ts";
import { type Face, planOf } from "../series/resource_labels.ts";
import type { FamilyPlan } from "./family_plan.ts";
import { NUMBER_BYTES_MAX } from "./number.ts";
import { type Template, toTemplate } from "./template.ts";

/**
 * Resources whose lines of one series stand together. Consecutive lines then differ only in the resource's labels,
 * and these recur within the 32 KiB over which gzip looks back.
 */
const TILE_ROWS_MAX = 100;
/** A quarter of a megabyte, which stays in the processor's cache: families of many series come in smaller tiles. */
const TILE_VALUES_MAX = 32_768;

export interface TileOptions {
  readonly format: PageFormat;
  readonly timestamps: boolean;
}

/**
 * What some resources have of one family, laid out for writing: flat arrays, so that a line costs no object and few
 * cache misses. One tile is used for a whole page, again and again.
 */
export class Tile {
  /** The number of resources. */
  rows = 0;
  /** By row, where in the page's suffixes its labels are. */
  readonly suffixStarts: Int32Array = new Int32Array(TILE_ROWS_MAX);
  readonly suffixLengths: Int32Array = new Int32Array(TILE_ROWS_MAX);
  /** The family's columns one after the other, each with `rows` numbers. */
  values: Float64Array = new Float64Array(TILE_VALUES_MAX);
  /** By row, what follows each number; undefined for a line feed. */
  ends: readonly Template[] | undefined;
  /** The most bytes that a line takes behind its prefix. */
  lineBytesMax = 0;

  /** Takes rows from `from` on, as many as fit, and returns how many that is. */
  load(from: number, { rows, offsets, width }: PartRows, options: TileOptions): number {
    const fitting = Math.max(1, Math.min(TILE_ROWS_MAX, Math.floor(TILE_VALUES_MAX / Math.max(1, width))));
    const count = Math.min(fitting, rows.length - from);
    if (count * width > this.values.length) this.values = new Float64Array(count * width);
    const { suffixStarts, suffixLengths, values } = this;
    let longest = 0;
    for (let index = 0; index < count; index++) {
      const { identity, reading, suffixStart } = rows[from + index] as PageRow;
      const { length } = identity.template;
      suffixStarts[index] = suffixStart;
      suffixLengths[index] = length;
      if (length > longest) longest = length;
      const offset = offsets[from + index] as number;
      for (let column = 0, at = index; column < width; column++, at += count)
        values[at] = reading.values[offset + column] as number;
    }
    this.rows = count;
    this.ends = undefined;
    this.lineBytesMax = longest + NUMBER_BYTES_MAX + 1;
    if (options.timestamps) this.#loadEnds(rows.slice(from, from + count), options);
    return count;
  }

  #loadEnds(rows: readonly PageRow[], { format }: TileOptions): void {
    this.ends = rows.map(({ reading }) => lineEnd(reading, format));
    this.lineBytesMax += Math.max(...this.ends.map(({ length }) => length));
  }
}

/** Times are milliseconds in the text format and seconds in OpenMetrics. */
function lineEnd({ timeMs }: Reading, format: PageFormat): Template {
  const wholeMs = Math.trunc(timeMs);
  return toTemplate(format === "text" ? ` ${wholeMs}\n` : ` ${(wholeMs / 1_000).toFixed(3)}\n`);
}

/** All resources that show a family by one plan. */
export interface PartRows {
  readonly plan: FamilyPlan;
  readonly rows: readonly PageRow[];
  /** By row, where in the reading the family begins. */
  readonly offsets: readonly number[];
  readonly width: number;
}

/** One, unless resources have different label names. */
export function rowsByPlan(page: Page, name: string, { family, columns }: Part): Iterable<PartRows> {
  const found = new Map<Face, { plan: FamilyPlan; rows: PageRow[]; offsets: number[]; width: number }>();
  for (const { offset, rows } of columns) {
    for (const row of rows) {
      const { face } = row.identity;
      let part = found.get(face);
      if (part === undefined) {
        const plan = planOf(face, { name, family }, page.onConflict);
        part = { plan, rows: [], offsets: [], width: family.width };
        found.set(face, part);
      }
      part.rows.push(row);
      part.offsets.push(offset);
    }
  }
  return found.values();
}
