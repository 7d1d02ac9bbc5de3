// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- parse. Indices are in range by construction, which `as number` tells the compiler.

import type { NumberSpan } from "./block.ts";
import { parseNumber } from "./number.ts";

const WORD = 8;

/**
 * A block of a page with its numbers taken out: literal, number, literal, number … line feed. A page that shows the
 * same literals again needs no lexing, only comparison and the numbers.
 */
export interface Layout {
  /** The literals one after the other: everything up to the first number, then from its line feed to the next one. */
  readonly literal: Uint8Array;
  /** The literals with a character for each byte: two layouts are equal when these texts are. */
  readonly text: string;
  /** How long each literal is. */
  readonly lengths: Int32Array;
  /** The family's column of the number after each literal. */
  readonly columns: Int32Array;
  /**
   * The literals as doubles, the last one of each overlapping its predecessor. Equal doubles are equal bytes, since
   * ASCII without NUL makes no NaN and no zero. Undefined for other bytes, and where a literal is shorter than a double.
   */
  readonly words: Float64Array | undefined;
}

/** The layout of the block that begins at `start` and whose numbers stand in these holes, in the page's order. */
export function createLayout(bytes: Uint8Array, start: number, holes: readonly NumberSpan[]): Layout {
  const lengths = new Int32Array(holes.length);
  let size = 0;
  let from = start;
  for (const [index, hole] of holes.entries()) {
    lengths[index] = hole.start - from;
    size += hole.start - from;
    from = hole.end;
  }
  const literal = new Uint8Array(size);
  from = start;
  let at = 0;
  for (const hole of holes) {
    literal.set(bytes.subarray(from, hole.start), at);
    at += hole.start - from;
    from = hole.end;
  }
  const columns = Int32Array.from(holes, (hole) => hole.column);
  const text = Buffer.from(literal.buffer).toString("latin1");
  return {
    literal,
    text,
    lengths,
    columns,
    words: isComparable(text, lengths) ? toWords(literal, lengths) : undefined,
  };
}

function isComparable(text: string, lengths: Int32Array): boolean {
  const isAscii = Buffer.byteLength(text) === text.length;
  return isAscii && !text.includes("\0") && lengths.every((length) => length >= WORD);
}

function toWords(literal: Uint8Array, lengths: Int32Array): Float64Array {
  const view = new DataView(literal.buffer);
  const words = new Float64Array(lengths.reduce((count, length) => count + Math.ceil(length / WORD), 0));
  let word = 0;
  let start = 0;
  for (const length of lengths) {
    const tail = start + length - WORD;
    for (let at = start; at < tail; at += WORD) words[word++] = view.getFloat64(at, true);
    words[word++] = view.getFloat64(tail, true);
    start += length;
  }
  return words;
}

/** A page, and the same bytes as a view. */
export interface PageBytes {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** The page's length. Its last byte is a line feed; what stands behind it may be anything. */
  readonly end: number;
}

/**
 * Compares the page at `start` with the layout and reads the numbers into `out` from column `base` on. Returns the
 * position after the block's last line feed; where the page has something else, `~position` of about where it has, which
 * is negative.
 */
export function matchLayout(
  page: PageBytes,
  start: number,
  layout: Layout,
  out: Float64Array,
  base: number,
): number {
  const { words, lengths, columns } = layout;
  if (words === undefined) return matchBytes(page, start, layout, out, base);
  const { bytes, view, end } = page;
  let pos = start;
  let word = 0;
  for (let i = 0; i < lengths.length; i++) {
    const tail = pos + (lengths[i] as number) - WORD;
    if (tail + WORD > end) return ~pos;
    for (; pos < tail; pos += WORD) if (view.getFloat64(pos, true) !== words[word++]) return ~pos;
    if (view.getFloat64(tail, true) !== words[word++]) return ~tail;
    pos = parseNumber(bytes, tail + WORD, out, base + (columns[i] as number));
    if (pos < 0) return pos;
  }
  return pos + 1;
}

/** As `matchLayout`, byte by byte. */
function matchBytes(page: PageBytes, start: number, layout: Layout, out: Float64Array, base: number): number {
  const { bytes, end } = page;
  const { literal, lengths, columns } = layout;
  let pos = start;
  let at = 0;
  for (let i = 0; i < lengths.length; i++) {
    const until = at + (lengths[i] as number);
    if (pos + until - at > end) return ~pos;
    while (at < until) if (bytes[pos++] !== literal[at++]) return ~pos;
    pos = parseNumber(bytes, pos, out, base + (columns[i] as number));
    if (pos < 0) return pos;
  }
  return pos + 1;
}
