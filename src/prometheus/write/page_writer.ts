// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- write. Indices are in range by construction, which `as number` tells the compiler.

import type { Page, Section } from "../page/compose.ts";
import { helpText, type PageFormat } from "../series/names.ts";
import type { FamilyPlan } from "./family_plan.ts";
import { writeNumber } from "./number.ts";
import { copyWords, OVERSHOOT_BYTES, type Template, toTemplate } from "./template.ts";
import { rowsByPlan, Tile } from "./tile.ts";

const LF = 10;

export interface WriteOptions {
  /** Whether lines tell when their numbers were taken. */
  readonly timestamps: boolean;
}

/** A buffer that a page is written into, again and again. */
export class Chunk {
  bytes: Uint8Array;
  view: DataView;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }

  /** For lines longer than the whole chunk. What was in it is gone. */
  grow(size: number): void {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }
}

/** Lines that have one plan: for each row the lines `lineStart` to `lineEnd`, which are one point. */
interface Run {
  readonly plan: FamilyPlan;
  readonly lineStart: number;
  readonly lineEnd: number;
  readonly suffixes: DataView;
  /** Holds these rows until the next run is asked for. */
  readonly tile: Tile;
}

/**
 * Writes a page chunk by chunk, as fast as its reader takes it: the page is never in memory as a whole.
 *
 * A family's lines are ordered by tiles of rows, in a tile by series, and in a series by row; the lines of one histogram
 * or summary stay together, which OpenMetrics asks for.
 */
export class PageWriter {
  readonly #pieces: Iterator<Template | Run, undefined>;
  #piece: Template | Run | undefined;
  /** Lines of the run at work that are written. */
  #done = 0;

  constructor(page: Page, options: WriteOptions) {
    this.#pieces = pieces(page, options);
    this.#advance();
  }

  /** Fills the chunk from its start and returns the number of bytes written, which is 0 only at the page's end. */
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
        const until = Math.min(lines, this.#done + Math.floor(room / bytesMax));
        pos = writeLines(chunk, pos, piece, this.#done, until);
        this.#done = until;
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
    this.#done = 0;
  }
}

/** Writes the lines `from` to `until` of the run, for which there is room, and returns the position behind them. */
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

function* pieces(page: Page, { timestamps }: WriteOptions): Generator<Template | Run, undefined> {
  const tile = new Tile();
  for (const section of page.sections) {
    yield toTemplate(headerText(section, page.format));
    for (const part of section.parts) {
      for (const rows of rowsByPlan(page, section.name, part)) {
        for (let from = 0; from < rows.rows.length; ) {
          from += tile.load(from, rows, { format: page.format, timestamps });
          yield* runsOf(rows.plan, page.suffixes, tile);
        }
      }
    }
  }
  if (page.format === "openmetrics") yield toTemplate("# EOF\n");
  return undefined;
}

function* runsOf(plan: FamilyPlan, suffixes: DataView, tile: Tile): Generator<Run> {
  for (let point = 1; point < plan.points.length; point++) {
    const lineStart = plan.points[point - 1] as number;
    const lineEnd = plan.points[point] as number;
    yield { plan, lineStart, lineEnd, suffixes, tile };
  }
}

function headerText({ declaration, help }: Section, format: PageFormat): string {
  const { name, type } = declaration;
  const helpLine = help === "" ? "" : `# HELP ${name} ${helpText(help, format)}\n`;
  return `${helpLine}# TYPE ${name} ${type}\n`;
}
