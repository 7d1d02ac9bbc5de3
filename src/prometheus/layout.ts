// Hot path: npm run bench -- parse. Indices are in range by construction, which `as number` tells the compiler.

import type { Family } from "../metrics/model.ts";
import { parseNumber } from "./number.ts";

const WORD = 8;

/**
 * A block of a page with its numbers taken out: literal, number, literal, number … line feed. A page that shows the
 * same literals again needs no lexing, only comparison and the numbers.
 */
export interface Layout {
  /** The literals one after the other: everything up to the first number, then from its line feed to the next one. */
  readonly literal: Uint8Array;
  /** How long each literal is. */
  readonly lengths: Int32Array;
  /** The family's column of the number after each literal. */
  readonly columns: Int32Array;
  /**
   * Each literal of at least 8 bytes as doubles, the last one overlapping its predecessor. Equal doubles are equal
   * bytes, since ASCII without NUL makes no NaN and no zero. Undefined for a literal with other bytes.
   */
  readonly words: Float64Array | undefined;
  readonly family: Family;
}

export function createLayout(
  literal: Uint8Array,
  lengths: Int32Array,
  columns: Int32Array,
  family: Family,
): Layout {
  return { literal, lengths, columns, words: toWords(literal, lengths), family };
}

function toWords(literal: Uint8Array, lengths: Int32Array): Float64Array | undefined {
  if (literal.some((byte) => byte === 0 || byte > 127)) return undefined;
  const view = new DataView(literal.buffer, literal.byteOffset, literal.byteLength);
  const words: number[] = [];
  let start = 0;
  for (const length of lengths) {
    const tail = start + length - WORD;
    if (length >= WORD) {
      for (let at = start; at < tail; at += WORD) words.push(view.getFloat64(at, true));
      words.push(view.getFloat64(tail, true));
    }
    start += length;
  }
  return Float64Array.from(words);
}

/** A page, and the same bytes as a view. */
export interface PageBytes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The page's length: what stands behind it is another page's. A line feed stands at this position or before it. */
  readonly end: number;
}

/**
 * Compares the page at `start` with the layout and reads the numbers into `out` from column `base` on. Returns the
 * position after the block's last line feed, or -1 where the page has something else.
 */
export function matchLayout(
  page: PageBytes,
  start: number,
  layout: Layout,
  out: Float64Array,
  base: number,
): number {
  const { bytes, view, end } = page;
  const { words, lengths, columns } = layout;
  if (words === undefined) return matchBytes(page, start, layout, out, base);
  let pos = start;
  let word = 0;
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i] as number;
    const tail = pos + length - WORD;
    if (length < WORD) return matchBytes(page, start, layout, out, base);
    if (tail + WORD > end) return -1;
    for (; pos < tail; pos += WORD) if (view.getFloat64(pos, true) !== words[word++]) return -1;
    if (view.getFloat64(tail, true) !== words[word++]) return -1;
    pos = parseNumber(bytes, tail + WORD, out, base + (columns[i] as number));
    if (pos < 0) return -1;
  }
  return pos + 1;
}

/** As `matchLayout`, byte by byte: for text that is not ASCII and names of a few letters. */
function matchBytes(page: PageBytes, start: number, layout: Layout, out: Float64Array, base: number): number {
  const { bytes, end } = page;
  const { literal, lengths, columns } = layout;
  let pos = start;
  let at = 0;
  for (let i = 0; i < lengths.length; i++) {
    const until = at + (lengths[i] as number);
    if (pos + until - at > end) return -1;
    while (at < until) if (bytes[pos++] !== literal[at++]) return -1;
    pos = parseNumber(bytes, pos, out, base + (columns[i] as number));
    if (pos < 0) return -1;
  }
  return pos + 1;
}
