// SPDX-License-Identifier: Apache-2.0
const TEXT = new TextEncoder();
/** Most texts have no character beyond, and calling the encoder for each label would take longer than compressing it. */
const ASCII_MAX = 0x7f;

/** A time in milliseconds is padded to so many bytes, enough until the year 2109: then its length is no part of a layout. */
export const TIME_BYTES = 6;
export const VALUE_BYTES = 8;
/** A capacity that suits requests: it is doubled two or three times for one of a whole sandbox. */
export const REQUEST_BYTES: number = 64 * 1024;

/** The first symbol of each kind of hole. */
export const HOLE: Readonly<Record<"time" | "start" | "labels" | "values", number>> = {
  /** When the samples were taken, as a varint of `TIME_BYTES`. */
  time: 256,
  /** Since when they count, likewise; 0 where unknown. */
  start: 256 + TIME_BYTES,
  /** The values of the resource's labels, one behind the other. */
  labels: 512,
  /** The reading's numbers, `VALUE_BYTES` each. */
  values: 2 ** 28,
};

/**
 * A message of which some bytes are known only when it is sent. A symbol below 256 is a byte; one above is a byte of a
 * hole, and where the same byte of the same hole comes again, it is the same symbol.
 */
export class Outline {
  #symbols: Int32Array;
  #length = 0;

  /** It grows where it needs more than that. */
  constructor(capacity = 1_024) {
    this.#symbols = new Int32Array(capacity);
  }

  /** The number of symbols, which is that of the message's bytes. */
  get length(): number {
    return this.#length;
  }

  /** Shares its memory with the outline; valid until the next symbol is written. */
  get symbols(): Int32Array {
    return this.#symbols.subarray(0, this.#length);
  }

  /** Forgets everything behind the first `length` symbols. */
  cut(length: number): void {
    this.#length = length;
  }

  byte(symbol: number): void {
    this.#reserve(1);
    this.#symbols[this.#length++] = symbol;
  }

  varint(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.byte((rest % 0x80) | 0x80);
    this.byte(rest);
  }

  raw(bytes: ArrayLike<number>): void {
    this.#reserve(bytes.length);
    this.#symbols.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** A field of text. */
  text(tag: number, text: string): void {
    const start = this.#length;
    this.byte(tag);
    this.varint(text.length);
    this.#reserve(text.length);
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code > ASCII_MAX) {
        this.cut(start);
        this.message(tag, TEXT.encode(text));
        return;
      }
      this.#symbols[this.#length++] = code;
    }
  }

  /** A length-delimited field with this content. */
  message(tag: number, content: ArrayLike<number>): void {
    this.byte(tag);
    this.varint(content.length);
    this.raw(content);
  }

  /** So many bytes of a hole, from this symbol on. */
  hole(symbol: number, bytes: number): void {
    this.#reserve(bytes);
    for (let index = 0; index < bytes; index++) this.#symbols[this.#length++] = symbol + index;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#symbols.length) return;
    const grown = new Int32Array(Math.max(this.#length + count, this.#symbols.length * 2));
    grown.set(this.#symbols);
    this.#symbols = grown;
  }
}
