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

/** A place in a file at which one or more records cannot be read any more. */
export interface Damage {
  readonly path: string;
  readonly offset: number;
  /**
   * The size of the lost records. It has 0 items for a record whose header is damaged when the file is opened, since
   * the number of its points is in the header.
   */
  readonly lost: QueueSize;
}

export type OnDamage = (damage: Damage) => void;

export interface StoredRecord {
  readonly header: RecordHeader;
  readonly payload: Uint8Array;
}

/** How many bytes are read at a time behind damaged bytes, to find the next header. */
const SCAN_BYTES = 256 * 1024;

/** A file of records, one behind the other. It stays until all its records are acknowledged. */
export class Segment {
  readonly path: string;
  /** The number of the first record. Records with smaller numbers are in earlier segments. */
  readonly firstSequence: number;
  readonly #fd: number;
  /** The offset at which the next record is written. */
  #end: number;
  /** The offset of the next record to be taken. */
  #cursor = 0;
  /** Whether the file ends in a part of a record that could not be cut off. If so, no record can be appended. */
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

  /** Whether somebody has removed the file. Its records can still be read, but are lost when the process ends. */
  get isGone(): boolean {
    return fstatSync(this.#fd).nlink === 0;
  }

  /** Whether all records are acknowledged. */
  get isAcknowledged(): boolean {
    return this.waiting.requests === 0 && this.taken.size === 0;
  }

  /** Appends a record. Throws errors of the file system, after it has cut off the written part or set `isTorn`. */
  append(
    payload: Uint8Array,
    header: Omit<RecordHeader, "length" | "checksum">,
    { sync }: { readonly sync: boolean },
  ): void {
    const whole = HEADER_BYTES + payload.length;
    try {
      const written = writevSync(this.#fd, [encodeHeader(payload, header), payload]);
      // A file system that is almost full writes only a part, without an error.
      if (written < whole) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
      if (sync) this.sync();
    } catch (error) {
      this.#cutTorn();
      throw error;
    }
    this.#end += whole;
    this.waiting = plus(this.waiting, { requests: 1, items: header.points, bytes: payload.length });
  }

  /** Forces all writes to the disk, and waits until they are there. Throws errors of the file system. */
  sync(): void {
    fdatasyncSync(this.#fd);
  }

  /** Forces all writes to the disk without waiting. Calls `done` when they are there, or with the error. */
  syncLater(done: (error: Error | null) => void): void {
    fdatasync(this.#fd, done);
  }

  /**
   * When the oldest waiting record was added, in Unix milliseconds; undefined if no record waits or its header is
   * damaged.
   */
  get oldestMs(): number | undefined {
    return this.waiting.requests === 0 ? undefined : this.#headerAt(this.#cursor)?.addedMs;
  }

  /**
   * Takes the oldest waiting record if `fits` accepts its size. Skips records that are acknowledged. Skips and reports
   * records that are damaged. Returns undefined if no record waits, or if the oldest does not fit.
   */
  take(
    fits: (size: QueueSize) => boolean,
    isAcknowledged: (sequence: number) => boolean,
    onDamage: OnDamage,
  ): StoredRecord | undefined {
    while (this.waiting.requests > 0) {
      const offset = this.#cursor;
      if (offset >= this.#end) {
        // The headers of the remaining records are damaged, so it is not known where these records were.
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
   * Counts the records that wait in the file, after a restart. A record that was not written to its end is cut off: the
   * process died before its `append` returned. Returns the last sequence number.
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

  /** Cuts off the part of a record whose writing failed. */
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

  /** Returns the offset of the first intact header at or behind `from`; the file's end if there is none. */
  #findHeader(from: number): number {
    for (let at = from; at < this.#end; at += SCAN_BYTES) {
      // Each read overlaps the next one by almost a header, so that a header that lies across two reads is found.
      const found = findHeader(this.#read(at, SCAN_BYTES + HEADER_BYTES - 1), 0);
      if (found !== undefined) return at + found;
    }
    return this.#end;
  }

  /**
   * Returns the bytes of the range up to the first that cannot be read. A disk that fails to read (EIO) is like one that
   * returns other bytes: it costs the records that lie there, and not the queue.
   */
  #read(position: number, length: number): Buffer {
    const wanted = Math.max(0, Math.min(length, this.#end - position));
    const bytes = Buffer.allocUnsafe(wanted);
    let read = 0;
    try {
      while (read < wanted) {
        const more = readSync(this.#fd, bytes, read, wanted - read, position + read);
        if (more === 0) break;
        read += more;
      }
    } catch {
      // The record that the bytes belong to is counted as damaged.
    }
    return bytes.subarray(0, read);
  }
}

function sizeOfRecord({ points, length }: RecordHeader): QueueSize {
  return { requests: 1, items: points, bytes: length };
}
