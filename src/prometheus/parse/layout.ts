// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- parse. Indices are in range by construction, which `as number` tells the compiler.

import type { NumberSpan } from "./block.ts";
import { parseNumber } from "./number.ts";

const WORD = 8;

/**
 * A block of a page without its numbers: literal, number, literal, number … line feed. When a page has the same
 * literals again, the parser compares them and reads the numbers, and need not lex the block.
 */
export interface Layout {
  /** The literals one after the other. The first ends before the first number, each other begins with a line feed. */
  readonly literal: Uint8Array;
  /** The literals as text, with one character for each byte. Two layouts are equal if their texts are equal. */
  readonly text: string;
  /** The length of each literal in bytes. */
  readonly lengths: Int32Array;
  /** For each literal, the family's column for the number after it. */
  readonly columns: Int32Array;
  /**
   * The literals as doubles. The last double of a literal overlaps the one before it. Equal doubles are equal bytes,
   * since ASCII without NUL never is a NaN or a zero. Undefined if a literal has a NUL or a byte that is not ASCII, or
   * is shorter than a double.
   */
  readonly words: Float64Array | undefined;
}

/**
 * Creates the layout of the block that begins at `start` and has its numbers in these places, in the order of the page.
 */
export function createLayout(bytes: Uint8Array, start: number, spans: readonly NumberSpan[]): Layout {
  const lengths = new Int32Array(spans.length);
  let size = 0;
  let from = start;
  for (const [index, span] of spans.entries()) {
    lengths[index] = span.start - from;
    size += span.start - from;
    from = span.end;
  }
  const literal = new Uint8Array(size);
  from = start;
  let at = 0;
  for (const span of spans) {
    literal.set(bytes.subarray(from, span.start), at);
    at += span.start - from;
    from = span.end;
  }
  const columns = Int32Array.from(spans, (span) => span.column);
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

/** The bytes of a page, and a view of the same bytes. */
export interface PageBytes {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** The page's length. Its last byte is a line feed. The bytes after it may be anything. */
  readonly end: number;
}

/**
 * Compares the page at `start` with the layout and reads the numbers into `out` from column `base` on. Returns the
 * position after the block's last line feed. If the page differs from the layout, returns `~position` of a byte near
 * the difference, which is negative; `out` may then have been written to.
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

/** Does the same as `matchLayout`, byte by byte, for layouts without words. */
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
