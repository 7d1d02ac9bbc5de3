// SPDX-License-Identifier: Apache-2.0
// Snappy's block format: https://github.com/google/snappy/blob/main/format_description.txt

import type { Outline } from "./outline.ts";

/** A compressed message without the length before it. The elements of several messages can be joined to one message. */
export interface Elements {
  readonly bytes: Uint8Array;
  /** The places that must be filled in for each reading. They are always within literals. */
  readonly holes: readonly Hole[];
}

/** A place for bytes that are not yet known: consecutive symbols of the outline in consecutive bytes. */
export interface Hole {
  /** The first symbol of the hole. */
  readonly symbol: number;
  /** The position of the first symbol's byte. */
  readonly place: number;
  readonly bytes: number;
}

/** The longest distance of a copy. A longer one needs a form of five bytes, which no compressor writes. */
const DISTANCE_MAX = 65_535;
/** The fewest bytes that are copied. A copy of fewer would save nothing. */
const COPY_BYTES_MIN = 4;
/** The most bytes that the format lets one copy have. A longer text is copied in several parts. */
const COPY_BYTES_MAX = 64;
/** The longest distance of a copy in the form of two bytes. Other copies take three. */
const SHORT_DISTANCE_MAX = 2_047;
/** The most bytes that a copy in the form of two bytes copies. */
const SHORT_BYTES_MAX = 11;

/** The longest literal whose length is in its tag. */
const TINY_LITERAL_MAX = 60;
/** The longest literal whose length is in one byte after its tag. */
const SMALL_LITERAL_MAX = 256;
/** The longest literal whose length is in two bytes after its tag. A longer text is written as several literals. */
const LITERAL_MAX = 65_536;

/** The tag of a literal whose length is in one byte after it. */
const ONE_LENGTH_BYTE = 60 << 2;
/** The tag of a literal whose length is in two bytes after it. */
const TWO_LENGTH_BYTES = 61 << 2;
/** The tag of a literal whose length is in four bytes after it. */
const FOUR_LENGTH_BYTES = 63 << 2;
/** The lower bits of the tag of a copy in the form of two bytes. */
const SHORT_COPY = 1;
/** The lower bits of the tag of a copy in the form of three bytes. */
const COPY = 2;

const HASH_BITS = 15;
/** 2^32 divided by the golden ratio. Multiplied by it, values that differ little get very different hashes. */
const HASH_FACTOR = 0x9e3779b1;

/** Compresses the outline of a message as snappy compresses bytes: by copies of earlier symbols. */
export function compressOutline(outline: Outline): Elements {
  const { symbols } = outline;
  const output = new ElementWriter(symbols);
  /** By hash of four symbols, their last position, counted from 1; 0 if there is none. */
  const seen = new Int32Array(1 << HASH_BITS);
  const lastStart = symbols.length - COPY_BYTES_MIN;
  let written = 0;
  let at = 0;
  while (at <= lastStart) {
    const from = exchange(seen, symbols, at);
    const length = from < 0 || at - from > DISTANCE_MAX ? 0 : commonLength(symbols, from, at);
    if (length < COPY_BYTES_MIN) {
      at++;
      continue;
    }
    output.literals(written, at);
    output.copies(at - from, length);
    written = at + length;
    const end = Math.min(written, lastStart + 1);
    for (at++; at < end; at++) exchange(seen, symbols, at);
    at = written;
  }
  output.literals(written, symbols.length);
  return output.finish();
}

/**
 * Notes that four symbols begin at `at`. Returns the position that was noted last for four symbols with the same hash;
 * -1 if there is none.
 */
function exchange(seen: Int32Array, symbols: Int32Array, at: number): number {
  let hash = 0;
  for (let index = at; index < at + COPY_BYTES_MIN; index++)
    hash = Math.imul(hash ^ (symbols[index] as number), HASH_FACTOR);
  const slot = hash >>> (32 - HASH_BITS);
  const before = seen[slot] as number;
  seen[slot] = at + 1;
  return before - 1;
}

function commonLength(symbols: Int32Array, from: number, at: number): number {
  let length = 0;
  while (at + length < symbols.length && symbols[from + length] === symbols[at + length]) length++;
  return length;
}

class ElementWriter {
  readonly #symbols: Int32Array;
  readonly #bytes: Uint8Array;
  #length = 0;
  readonly #holes: { symbol: number; place: number; bytes: number }[] = [];

  constructor(symbols: Int32Array) {
    this.#symbols = symbols;
    // This is enough: a copy takes no more bytes than it copies, a literal has at most three bytes before it, and a
    // copy of at least four bytes is between two literals.
    this.#bytes = new Uint8Array(symbols.length + Math.ceil(symbols.length / COPY_BYTES_MIN) + 3);
  }

  /** Writes the symbols between two positions as literals. */
  literals(start: number, end: number): void {
    for (let at = start; at < end; at += LITERAL_MAX) this.#literal(at, Math.min(end, at + LITERAL_MAX));
  }

  #literal(start: number, end: number): void {
    const length = end - start;
    if (length <= TINY_LITERAL_MAX) this.#put((length - 1) << 2);
    else {
      const isSmall = length <= SMALL_LITERAL_MAX;
      this.#put(isSmall ? ONE_LENGTH_BYTE : TWO_LENGTH_BYTES);
      this.#put((length - 1) & 0xff);
      if (!isSmall) this.#put((length - 1) >>> 8);
    }
    for (let at = start; at < end; at++) {
      const symbol = this.#symbols[at] as number;
      if (symbol > 0xff) this.#hole(symbol);
      this.#put(symbol > 0xff ? 0 : symbol);
    }
  }

  #hole(symbol: number): void {
    const last = this.#holes.at(-1);
    if (last !== undefined && last.symbol + last.bytes === symbol && last.place + last.bytes === this.#length)
      last.bytes++;
    else this.#holes.push({ symbol, place: this.#length, bytes: 1 });
  }

  /** Writes copies of `length` bytes that are this distance before the current position. */
  copies(distance: number, length: number): void {
    for (let rest = length; rest > 0; ) {
      // A few bytes more than the longest copy are divided so that the last copy is not shorter than the shortest one.
      const tooShort = rest > COPY_BYTES_MAX && rest < COPY_BYTES_MAX + COPY_BYTES_MIN;
      const bytes = tooShort ? rest - COPY_BYTES_MIN : Math.min(rest, COPY_BYTES_MAX);
      const isShort = bytes <= SHORT_BYTES_MAX && distance <= SHORT_DISTANCE_MAX;
      if (isShort) this.#put(((distance >>> 8) << 5) | ((bytes - COPY_BYTES_MIN) << 2) | SHORT_COPY);
      else this.#put(((bytes - 1) << 2) | COPY);
      this.#put(distance & 0xff);
      if (!isShort) this.#put(distance >>> 8);
      rest -= bytes;
    }
  }

  #put(byte: number): void {
    this.#bytes[this.#length++] = byte;
  }

  finish(): Elements {
    return { bytes: this.#bytes.slice(0, this.#length), holes: this.#holes };
  }
}

/** Returns the bytes as one literal of snappy's format, uncompressed. */
export function asLiteral(bytes: Uint8Array): Uint8Array {
  const literal = new Uint8Array(5 + bytes.length);
  literal[0] = FOUR_LENGTH_BYTES;
  new DataView(literal.buffer).setUint32(1, bytes.length - 1, true);
  literal.set(bytes, 5);
  return literal;
}
