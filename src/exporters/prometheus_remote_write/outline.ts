// SPDX-License-Identifier: Apache-2.0
const TEXT = new TextEncoder();
/**
 * The last ASCII character. Most texts have only ASCII, and are copied without the encoder: a call for each label would
 * take longer than its compression.
 */
const ASCII_MAX = 0x7f;

/**
 * The bytes of a time: a varint of milliseconds, padded so that all times have the same length. They are enough until
 * the year 2109.
 */
export const TIME_BYTES = 6;
/** The bytes of a sample's number in a message: it is a double. */
export const VALUE_BYTES = 8;
/**
 * The first capacity of an outline of a whole request, in symbols. For a whole sandbox, it is doubled two or three
 * times.
 */
export const REQUEST_BYTES: number = 64 * 1024;

/** The first symbol (see `Outline`) of each kind of hole. */
export const HOLE: Readonly<Record<"time" | "start" | "labels" | "values", number>> = {
  /** The time at which the samples were taken, as a varint of `TIME_BYTES`. */
  time: 256,
  /** The time since when the samples count, as a varint of `TIME_BYTES`; 0 if it is unknown. */
  start: 256 + TIME_BYTES,
  /** The values of the resource's labels, one after the other. */
  labels: 512,
  /** The reading's numbers, `VALUE_BYTES` each. */
  values: 2 ** 28,
};

/**
 * A message with holes: bytes that are known only when a reading fills them. A symbol below 256 is a byte. A symbol
 * from 256 up is a byte of a hole; the same byte of the same hole is the same symbol again.
 */
export class Outline {
  #symbols: Int32Array;
  #length = 0;

  /** `capacity` is a number of symbols. The outline grows if it needs more. */
  constructor(capacity = 1_024) {
    this.#symbols = new Int32Array(capacity);
  }

  /** The number of symbols, which is the number of the message's bytes. */
  get length(): number {
    return this.#length;
  }

  /** The symbols so far. They share the outline's memory, and are valid until the next symbol is written. */
  get symbols(): Int32Array {
    return this.#symbols.subarray(0, this.#length);
  }

  /** Removes everything after the first `length` symbols. */
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

  /** Writes a field of text. */
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

  /** Writes a length-delimited field with this content. */
  message(tag: number, content: ArrayLike<number>): void {
    this.byte(tag);
    this.varint(content.length);
    this.raw(content);
  }

  /** Writes `bytes` symbols of a hole. The first is `symbol`, and each other is one more. */
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
