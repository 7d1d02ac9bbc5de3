// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- write. Indices are in range by construction, which `as number` tells the compiler.

import type { ComposedPage, PageSection } from "../page/compose.ts";
import { helpText, type PageFormat } from "../page/page_format.ts";
import type { FamilyPlan } from "./family_plan.ts";
import { writeNumber } from "./number.ts";
import { joinSuffixes } from "./resource_suffixes.ts";
import { copyWords, OVERSHOOT_BYTES, type Template, toTemplate } from "./template.ts";
import { rowsByPlan, Tile } from "./tile.ts";

const LF = 10;

/** Options of one page. */
export interface WriteOptions {
  /** Whether each line has the time at which its number was measured. */
  readonly timestamps: boolean;
}

/** A buffer that is filled with a page, piece by piece. */
export class Chunk {
  bytes: Uint8Array;
  view: DataView;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Makes room for a line that is longer than the whole chunk. The bytes in the chunk are lost. */
  grow(size: number): void {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }
}

/**
 * The lines of one point for all rows of a tile: of each row, the plan's lines from `lineStart` to before `lineEnd`.
 */
interface Run {
  readonly plan: FamilyPlan;
  readonly lineStart: number;
  readonly lineEnd: number;
  readonly suffixes: DataView;
  /** The rows of this run. Valid until the next run is requested, which may load other rows into the same tile. */
  readonly tile: Tile;
}

/**
 * Writes a page chunk by chunk. The caller decides the pace, and the page is never in memory as a whole.
 *
 * The lines of a family are ordered by tile, in a tile by point, and for a point by row, since lines in this order
 * compress well. For each row, the lines of a histogram or summary follow each other, as OpenMetrics demands.
 */
export class PageWriter {
  readonly #pieces: Iterator<Template | Run, undefined>;
  #piece: Template | Run | undefined;
  /** The number of lines of the current run that were written to chunks. */
  #written = 0;

  constructor(page: ComposedPage, options: WriteOptions) {
    this.#pieces = pieces(page, options);
    this.#advance();
  }

  /** Fills the chunk from its start and returns the number of bytes written. It is 0 only at the page's end. */
  fill(chunk: Chunk): number {
    let pos = 0;
    for (let piece = this.#piece; piece !== undefined; piece = this.#piece) {
      const room = chunk.bytes.length - OVERSHOOT_BYTES - pos;
      const bytesMax = "tile" in piece ? piece.plan.prefixBytesMax + piece.tile.lineBytesMax : piece.length;
      if (bytesMax > room) {
        if (pos > 0) return pos;
        chunk.grow(bytesMax + OVERSHOOT_BYTES);
      } else if ("tile" in piece) {
        const lines = (piece.lineEnd - piece.lineStart) * piece.tile.rows;
        const until = Math.min(lines, this.#written + Math.floor(room / bytesMax));
        pos = writeLines(chunk, pos, piece, this.#written, until);
        this.#written = until;
        if (until === lines) this.#advance();
      } else {
        pos = copyWords(chunk.view, pos, piece.view, 0, piece.length);
        this.#advance();
      }
    }
    return pos;
  }

  #advance(): void {
    const { value, done } = this.#pieces.next();
    this.#piece = done === true ? undefined : value;
    this.#written = 0;
  }
}

/** Writes the run's lines `from` to before `until` and returns the position after them. The chunk must have room. */
function writeLines(chunk: Chunk, pos: number, run: Run, from: number, until: number): number {
  const { bytes, view } = chunk;
  const { plan, lineStart, lineEnd, suffixes, tile } = run;
  const { prefixes, starts, columns } = plan;
  const { rows, suffixStarts, suffixLengths, values, ends } = tile;
  const lines = lineEnd - lineStart;
  let row = Math.floor(from / lines);
  let line = lineStart + (from % lines);
  for (let at = from; at < until; at++) {
    const start = starts[line] as number;
    pos = copyWords(view, pos, prefixes, start, (starts[line + 1] as number) - start);
    pos = copyWords(view, pos, suffixes, suffixStarts[row] as number, suffixLengths[row] as number);
    pos = writeNumber(bytes, pos, values, (columns[line] as number) * rows + row);
    if (ends === undefined) bytes[pos++] = LF;
    else {
      const end = ends[row] as Template;
      pos = copyWords(view, pos, end.view, 0, end.length);
    }
    if (++line === lineEnd) {
      line = lineStart;
      row++;
    }
  }
  return pos;
}

function* pieces(page: ComposedPage, { timestamps }: WriteOptions): Generator<Template | Run, undefined> {
  const { format } = page;
  const suffixes = joinSuffixes(page.rows);
  const tile = new Tile();
  const options = { format, timestamps, suffixStarts: suffixes.starts };
  for (const section of page.sections) {
    yield toTemplate(headerText(section, format));
    for (const part of section.parts) {
      for (const rows of rowsByPlan(page, part)) {
        for (let from = 0; from < rows.rows.length; ) {
          from += tile.load(from, rows, options);
          yield* runsOf(rows.plan, suffixes.bytes, tile);
        }
      }
    }
  }
  if (format === "openmetrics") yield toTemplate("# EOF\n");
  return undefined;
}

function* runsOf(plan: FamilyPlan, suffixes: DataView, tile: Tile): Generator<Run> {
  for (let point = 1; point < plan.points.length; point++) {
    const lineStart = plan.points[point - 1] as number;
    const lineEnd = plan.points[point] as number;
    yield { plan, lineStart, lineEnd, suffixes, tile };
  }
}

function headerText({ declaration, help }: PageSection, format: PageFormat): string {
  const { name, type } = declaration;
  const helpLine = help === "" ? "" : `# HELP ${name} ${helpText(help, format)}\n`;
  return `${helpLine}# TYPE ${name} ${type}\n`;
}
