// Hot path: npm run bench -- write. Indices are in range by construction, which `as number` tells the compiler.

import type { Reading } from "../metrics/model.ts";
import { type Template, toTemplate } from "./write_copy.ts";
import type { PageRow } from "./write_draft.ts";
import { planOf } from "./write_identity.ts";
import { NUMBER_BYTES_MAX } from "./write_number.ts";
import type { Page, Part } from "./write_page.ts";
import type { FamilyPlan } from "./write_plan.ts";

/**
 * Resources whose lines of one series stand together. Consecutive lines then differ only in the resource's labels,
 * and these recur within the 32 KiB over which gzip looks back.
 */
const TILE_ROWS = 100;
/** Numbers of a tile, half a megabyte: families of many hundred series come in smaller tiles. */
const TILE_VALUES_MAX = 65_536;

/** What some resources have of one family, laid out for writing: flat arrays, so that a line costs no object. */
export interface Tile {
  /** The number of resources. */
  readonly rows: number;
  readonly suffixes: DataView;
  /** By row. */
  readonly suffixStarts: Int32Array;
  readonly suffixLengths: Int32Array;
  /** Row by row, the family's columns. */
  readonly values: Float64Array;
  readonly width: number;
  /** By row, what follows each number; undefined for a line feed. */
  readonly ends: readonly Template[] | undefined;
  /** The most bytes that a line takes behind its prefix. */
  readonly lineBytesMax: number;
}

export interface TileOptions {
  readonly format: "text" | "openmetrics";
  readonly timestamps: boolean;
}

interface PlannedTile {
  readonly plan: FamilyPlan;
  readonly tile: Tile;
}

/** The part's tiles, made one by one as they are needed. */
export function* tilesOf(
  page: Page,
  { name, part }: { readonly name: string; readonly part: Part },
  options: TileOptions,
): Generator<PlannedTile> {
  const { family } = part;
  const rowsMax = Math.max(1, Math.min(TILE_ROWS, Math.floor(TILE_VALUES_MAX / Math.max(1, family.width))));
  for (const [plan, cells] of byPlan(page, { name, part })) {
    for (let from = 0; from < cells.length; from += rowsMax) {
      const tile = toTile(page.suffixes, cells.slice(from, from + rowsMax), {
        ...options,
        width: family.width,
      });
      yield { plan, tile };
    }
  }
}

interface Cells {
  readonly row: PageRow;
  /** Where in the reading the family begins. */
  readonly offset: number;
}

/** One plan, unless resources have different label names. */
function byPlan(
  page: Page,
  { name, part }: { readonly name: string; readonly part: Part },
): Map<FamilyPlan, Cells[]> {
  const found = new Map<FamilyPlan, Cells[]>();
  for (const { offset, rows } of part.columns) {
    for (const row of rows) {
      const plan = planOf(row.identity.face, { name, family: part.family }, page.onConflict);
      const cells = found.get(plan);
      if (cells === undefined) found.set(plan, [{ row, offset }]);
      else cells.push({ row, offset });
    }
  }
  return found;
}

function toTile(suffixes: DataView, cells: readonly Cells[], options: TileOptions & { width: number }): Tile {
  const { width } = options;
  const rows = cells.length;
  const suffixStarts = new Int32Array(rows);
  const suffixLengths = new Int32Array(rows);
  const values = new Float64Array(rows * width);
  let at = 0;
  for (const [index, { row, offset }] of cells.entries()) {
    suffixStarts[index] = row.suffixStart;
    suffixLengths[index] = row.identity.template.length;
    const from = row.reading.values;
    const until = offset + width;
    for (let column = offset; column < until; column++) values[at++] = from[column] as number;
  }
  const ends = options.timestamps ? cells.map(({ row }) => lineEnd(row.reading, options)) : undefined;
  const endBytesMax = ends === undefined ? 1 : Math.max(...ends.map(({ length }) => length));
  const lineBytesMax = Math.max(...suffixLengths) + NUMBER_BYTES_MAX + endBytesMax;
  return { rows, suffixes, suffixStarts, suffixLengths, values, width, ends, lineBytesMax };
}

/** Times are milliseconds in the text format and seconds in OpenMetrics. */
function lineEnd({ timeMs }: Reading, { format }: TileOptions): Template {
  const wholeMs = Math.trunc(timeMs);
  return toTemplate(format === "text" ? ` ${wholeMs}\n` : ` ${(wholeMs / 1_000).toFixed(3)}\n`);
}
