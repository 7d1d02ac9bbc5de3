// SPDX-License-Identifier: Apache-2.0
const TEXT = new TextEncoder();
const INITIAL_BYTES = 256;

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;

/** The number of bytes that `value`, a whole number from 0 to 2^53, takes as a varint. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

/** The number of bytes of a length-delimited field with a content of `contentBytes`. */
export function delimitedBytes(field: number, contentBytes: number): number {
  return varintBytes(field * 8) + varintBytes(contentBytes) + contentBytes;
}

/**
 * Writes protobuf fields one after the other. A nested message is written first, with a writer of its own, since its
 * length comes before its bytes. The outer writer then takes these bytes as a field.
 */
export class ProtoWriter {
  #bytes: Uint8Array;
  #length = 0;

  /**
   * `capacity` is the number of bytes that are allocated at first. Only a longer message makes the writer allocate
   * again and copy.
   */
  constructor(capacity: number = INITIAL_BYTES) {
    this.#bytes = allocate(capacity);
  }

  /** The number of bytes written so far. The next byte is written at this offset. */
  get length(): number {
    return this.#length;
  }

  /** Returns the written bytes, without a copy. The writer must not be used afterwards. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** A view of the written bytes, to fill holes. It is valid until the writer outgrows its capacity. */
  view(): DataView {
    return new DataView(this.#bytes.buffer);
  }

  uint(field: number, value: number): void {
    this.#tag(field, VARINT);
    this.#varint(value);
  }

  double(field: number, value: number): void {
    const at = this.hole(field);
    this.view().setFloat64(at, value, true);
  }

  /** Writes a field of 8 zero bytes (double, fixed64). Returns the offset of its value. */
  hole(field: number): number {
    this.#tag(field, FIXED64);
    return this.#zeros(8);
  }

  /** Writes a packed repeated field of `count` values of 8 zero bytes. Returns the offset of the first. */
  packedHoles(field: number, count: number): number {
    this.delimitedHead(field, count * 8);
    return this.#zeros(count * 8);
  }

  packedDoubles(field: number, values: readonly number[]): void {
    const at = this.packedHoles(field, values.length);
    const view = this.view();
    for (const [index, value] of values.entries()) view.setFloat64(at + index * 8, value, true);
  }

  text(field: number, value: string): void {
    this.delimited(field, TEXT.encode(value));
  }

  /** Writes a nested message, or a field of bytes. */
  delimited(field: number, content: Uint8Array): void {
    this.delimitedHead(field, content.length);
    this.raw(content);
  }

  /** Writes the tag and length of a field. The caller writes its content of `contentBytes` bytes next. */
  delimitedHead(field: number, contentBytes: number): void {
    this.#tag(field, DELIMITED);
    this.#varint(contentBytes);
  }

  /** Writes bytes that are whole encoded fields already. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #tag(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  #varint(value: number): void {
    this.#reserve(varintBytes(value));
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
    this.#bytes[this.#length++] = rest;
  }

  #zeros(count: number): number {
    this.#reserve(count);
    const at = this.#length;
    this.#length += count;
    this.#bytes.fill(0, at, this.#length);
    return at;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = allocate(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

/**
 * Allocates memory without zeroing it: the writer writes each byte up to its length, and to clear 4 MB takes as long as
 * to fill them.
 */
function allocate(bytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
}
