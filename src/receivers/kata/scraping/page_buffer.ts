// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- scrape.

/** The least size of a buffer that has bytes of a page. The usual page fits, and a larger one makes the buffer grow. */
const BYTES_MIN = 256 * 1024;
/** Bytes after a page's end that the parser may read. */
const SLACK_BYTES = 16;

/**
 * The memory that all large pages may take together, so that many of them at a time cannot fill the node's memory. The size
 * of a usual page is not counted: each scrape has that much, however large the other pages are.
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

  /** Takes the bytes and returns true, or returns false if there are not enough. `bytes` is negative to give some back. */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.bytesMax) return false;
    this.#bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** The memory in which one page after the other is put together. */
export class PageBuffer {
  readonly #memory: PageMemory;
  #bytes: Buffer = Buffer.alloc(SLACK_BYTES);
  #length = 0;

  constructor(memory: PageMemory) {
    this.#memory = memory;
  }

  /** The buffer, at least 16 bytes longer than `length`. Valid until the next `clear` or `append`. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  get length(): number {
    return this.#length;
  }

  /** Drops the page. Frees the memory if it is more than a usual page needs. */
  clear(): void {
    this.#length = 0;
    if (this.#bytes.length > BYTES_MIN) this.#resize(SLACK_BYTES);
  }

  /** Appends the bytes of `source` from `start` to `end`. Returns false, and appends nothing, if there is no memory left. */
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

/** Returns how many bytes of a buffer of this size count in the shared memory. */
function counted(bytes: number): number {
  return Math.max(0, bytes - BYTES_MIN);
}
