// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- scrape.

/** The usual page fits; a larger one makes it grow. */
const BYTES_MIN = 256 * 1024;
/** The parser reads so far past a page's end. */
const SLACK_BYTES = 16;

/**
 * The memory that large pages under way may take together, so that many of them at a time cannot fill the node's. What a
 * usual page needs is not counted in it: however much others take, there is room for that.
 */
export class PageMemory {
  readonly bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.bytesMax) return false;
    this.#bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** Where one page after the other is put together. */
export class PageBuffer {
  readonly #memory: PageMemory;
  #bytes: Buffer = Buffer.alloc(SLACK_BYTES);
  #length = 0;

  constructor(memory: PageMemory) {
    this.#memory = memory;
  }

  /** At least 16 bytes longer than `length`. Valid until `clear` or `append`. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  get length(): number {
    return this.#length;
  }

  /** Forgets the page; memory that only a large one needs is given back. */
  clear(): void {
    this.#length = 0;
    if (this.#bytes.length > BYTES_MIN) this.#resize(SLACK_BYTES);
  }

  /** Adds `source` from `start` to `end`; false where there is no memory for it. */
  append(source: Buffer, start: number, end: number): boolean {
    const length = this.#length + end - start;
    if (length + SLACK_BYTES > this.#bytes.length && !this.#grow(length + SLACK_BYTES)) return false;
    source.copy(this.#bytes, this.#length, start, end);
    this.#length = length;
    return true;
  }

  #grow(needed: number): boolean {
    const size = Math.max(BYTES_MIN, needed * 2);
    return this.#resize(size) || this.#resize(needed);
  }

  #resize(size: number): boolean {
    if (!this.#memory.take(counted(size) - counted(this.#bytes.length))) return false;
    const bytes = Buffer.allocUnsafeSlow(size);
    this.#bytes.copy(bytes, 0, 0, this.#length);
    this.#bytes = bytes;
    return true;
  }
}

function counted(bytes: number): number {
  return Math.max(0, bytes - BYTES_MIN);
}
