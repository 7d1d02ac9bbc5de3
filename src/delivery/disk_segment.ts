// SPDX-License-Identifier: Apache-2.0
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  unlinkSync,
  writevSync,
} from "node:fs";
import {
  decodeHeader,
  encodeHeader,
  findHeader,
  HEADER_BYTES,
  isIntact,
  type RecordHeader,
} from "./disk_record.ts";
import { minus, plus, type QueueSize, ZERO_SIZE } from "./queue.ts";

/** Records that cannot be read any more. */
export interface Damage {
  readonly path: string;
  readonly offset: number;
  /** The size of these records, as far as it is known: where a header is damaged, it has 0 items. */
  readonly lost: QueueSize;
}

export type OnDamage = (damage: Damage) => void;

export interface StoredRecord {
  readonly header: RecordHeader;
  readonly payload: Uint8Array;
}

/** How many bytes are read at a time to find the next header. */
const SCAN_BYTES = 256 * 1024;

/** A file of records, one behind the other. Some of them may be acknowledged already. */
export class Segment {
  readonly path: string;
  /** The number of the first record. Records with smaller numbers are in earlier segments. */
  readonly firstSequence: number;
  readonly #fd: number;
  /** The offset at which the next record is written. */
  #end: number;
  /** The offset of the next record to be taken. */
  #cursor = 0;
  /** Whether the file ends in the beginning of a record, which could not be cut off. Then no record can be appended. */
  isTorn = false;
  /** The size of the records that were not taken yet. */
  waiting: QueueSize = ZERO_SIZE;
  /** The sequence numbers of the records that were taken and are not acknowledged. */
  readonly taken: Set<number> = new Set();

  /** Opens the file, or makes it. Throws errors of the file system. */
  constructor(path: string, firstSequence: number) {
    this.path = path;
    this.firstSequence = firstSequence;
    this.#fd = openSync(path, "a+", 0o600);
    this.#end = fstatSync(this.#fd).size;
  }

  /** The size of the file. */
  get bytes(): number {
    return this.#end;
  }

  /** Whether somebody has removed the file. Its records can be taken, but do not outlive the process. */
  get isGone(): boolean {
    return fstatSync(this.#fd).nlink === 0;
  }

  /** Whether all records are acknowledged. */
  get isAcknowledged(): boolean {
    return this.waiting.requests === 0 && this.taken.size === 0;
  }

  /** Appends a record. Throws errors of the file system; nothing of the record is in the file then. */
  append(
    payload: Uint8Array,
    header: Omit<RecordHeader, "length" | "checksum">,
    { sync }: { readonly sync: boolean },
  ): void {
    const whole = HEADER_BYTES + payload.length;
    try {
      const written = writevSync(this.#fd, [encodeHeader(payload, header), payload]);
      // A file system that is almost full writes a part.
      if (written < whole) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
      if (sync) this.sync();
    } catch (error) {
      this.#cutTorn();
      throw error;
    }
    this.#end += whole;
    this.waiting = plus(this.waiting, { requests: 1, items: header.points, bytes: payload.length });
  }

  /** Forces all writes to the disk, and waits. Throws errors of the file system. */
  sync(): void {
    fdatasyncSync(this.#fd);
  }

  /** Like `sync`, but does not wait: it calls `done` when all is on the disk. */
  syncLater(done: (error: Error | null) => void): void {
    fdatasync(this.#fd, done);
  }

  /** When the oldest waiting record was added; undefined if none waits, or if it cannot be read. */
  get oldestMs(): number | undefined {
    return this.waiting.requests === 0 ? undefined : this.#headerAt(this.#cursor)?.addedMs;
  }

  /**
   * Takes the oldest waiting record, if it fits. Skips records that are acknowledged. Skips and reports records that are
   * damaged.
   */
  take(
    fits: (size: QueueSize) => boolean,
    isAcknowledged: (sequence: number) => boolean,
    onDamage: OnDamage,
  ): StoredRecord | undefined {
    while (this.waiting.requests > 0) {
      const offset = this.#cursor;
      if (offset >= this.#end) {
        // The headers of the rest are damaged, so it is not known where the records were.
        onDamage({ path: this.path, offset, lost: this.waiting });
        this.waiting = ZERO_SIZE;
        break;
      }
      const header = this.#headerAt(offset);
      if (header === undefined) this.#cursor = this.#findHeader(offset + 1);
      else if (isAcknowledged(header.sequence)) this.#cursor = offset + HEADER_BYTES + header.length;
      else if (!fits(sizeOfRecord(header))) return undefined;
      else {
        const payload = this.#read(offset + HEADER_BYTES, header.length);
        const size = sizeOfRecord(header);
        this.waiting = minus(this.waiting, size);
        if (isIntact(payload, header)) {
          this.#cursor = offset + HEADER_BYTES + header.length;
          this.taken.add(header.sequence);
          return { header, payload };
        }
        this.#cursor = this.#findHeader(offset + 1);
        onDamage({ path: this.path, offset, lost: size });
      }
    }
    return undefined;
  }

  /**
   * Counts the records that wait in the file, after a restart. A record that was not written to its end is cut off: its
   * `append` has not returned. Returns the last sequence number.
   */
  recover(isAcknowledged: (sequence: number) => boolean, onDamage: OnDamage): number {
    let last = this.firstSequence - 1;
    let first: number | undefined;
    let at = 0;
    while (at < this.#end) {
      const header = this.#headerAt(at);
      const next = header === undefined ? this.#findHeader(at + 1) : at + HEADER_BYTES + header.length;
      if (header === undefined) {
        const isTorn = next === this.#end && next - at < HEADER_BYTES;
        if (!isTorn)
          onDamage({ path: this.path, offset: at, lost: { ...ZERO_SIZE, requests: 1, bytes: next - at } });
        if (next === this.#end) this.#cut(at);
      } else if (next > this.#end) this.#cut(at);
      else {
        last = Math.max(last, header.sequence);
        if (!isAcknowledged(header.sequence)) {
          first ??= at;
          this.waiting = plus(this.waiting, sizeOfRecord(header));
        }
      }
      at = next;
    }
    this.#cursor = first ?? this.#end;
    return last;
  }

  /** Cuts off a record that was not written to its end. */
  #cutTorn(): void {
    try {
      this.#cut(this.#end);
    } catch {
      this.isTorn = true;
    }
  }

  #cut(end: number): void {
    ftruncateSync(this.#fd, end);
    this.#end = end;
  }

  #headerAt(offset: number): RecordHeader | undefined {
    return decodeHeader(this.#read(offset, HEADER_BYTES), 0);
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Closes and removes the file. Throws errors of the file system. */
  remove(): void {
    closeSync(this.#fd);
    unlinkSync(this.path);
  }

  /** The offset of the next header; that of the file's end if there is none. */
  #findHeader(from: number): number {
    for (let at = from; at < this.#end; at += SCAN_BYTES) {
      // Each read overlaps the next one by a header, so that a header between them is found.
      const found = findHeader(this.#read(at, SCAN_BYTES + HEADER_BYTES - 1), 0);
      if (found !== undefined) return at + found;
    }
    return this.#end;
  }

  #read(position: number, length: number): Buffer {
    const wanted = Math.max(0, Math.min(length, this.#end - position));
    const bytes = Buffer.allocUnsafe(wanted);
    let read = 0;
    while (read < wanted) {
      const more = readSync(this.#fd, bytes, read, wanted - read, position + read);
      if (more === 0) break;
      read += more;
    }
    return bytes.subarray(0, read);
  }
}

function sizeOfRecord({ points, length }: RecordHeader): QueueSize {
  return { requests: 1, items: points, bytes: length };
}
