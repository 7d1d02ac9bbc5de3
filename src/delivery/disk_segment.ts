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
import { minus, NOTHING, plus, type QueueSize } from "./queue.ts";

/** Records that cannot be read any more. */
export interface Damage {
  readonly path: string;
  readonly offset: number;
  /** As far as it is known: items are 0 where the header is damaged. */
  readonly lost: QueueSize;
}

export type OnDamage = (damage: Damage) => void;

export interface StoredRecord {
  readonly header: RecordHeader;
  readonly payload: Uint8Array;
}

/** What is read at a time where headers are looked for. */
const SCAN_BYTES = 256 * 1024;

/** A file of records, one behind the other. Not all that is in it needs to be of use any more. */
export class Segment {
  readonly path: string;
  /** Records with smaller numbers are in segments before it. */
  readonly firstSequence: number;
  readonly #fd: number;
  /** Where the next record is written. */
  #end: number;
  /** Where the next record to be taken begins. */
  #cursor = 0;
  /** Whether the file ends in a piece of a record. */
  isTorn = false;
  /** What has not been taken yet. */
  waiting: QueueSize = NOTHING;
  /** Sequence numbers of what was taken and is not settled. */
  readonly taken: Set<number> = new Set();

  /** Opens the file, or makes it. Throws what the file system says. */
  constructor(path: string, firstSequence: number) {
    this.path = path;
    this.firstSequence = firstSequence;
    this.#fd = openSync(path, "a+", 0o600);
    this.#end = fstatSync(this.#fd).size;
  }

  /** On disk. */
  get bytes(): number {
    return this.#end;
  }

  /** Whether somebody has removed the file: what is in it does not outlive the process. */
  get isGone(): boolean {
    return fstatSync(this.#fd).nlink === 0;
  }

  get isSettled(): boolean {
    return this.waiting.requests === 0 && this.taken.size === 0;
  }

  /** Adds a record. Throws what the file system says, and leaves nothing of the record then. */
  append(
    payload: Uint8Array,
    header: Omit<RecordHeader, "length" | "checksum">,
    { sync }: { readonly sync: boolean },
  ): void {
    const whole = HEADER_BYTES + payload.length;
    try {
      const written = writevSync(this.#fd, [encodeHeader(payload, header), payload]);
      // A file system that fills up takes a part.
      if (written < whole) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
      if (sync) this.sync();
    } catch (error) {
      this.#cutTorn();
      throw error;
    }
    this.#end += whole;
    this.waiting = plus(this.waiting, { requests: 1, items: header.points, bytes: payload.length });
  }

  sync(): void {
    fdatasyncSync(this.#fd);
  }

  /** As `sync`, without waiting. */
  syncLater(done: (error: Error | null) => void): void {
    fdatasync(this.#fd, done);
  }

  /** When the oldest record that waits was added; undefined where none does, or where it cannot be read. */
  get oldestMs(): number | undefined {
    return this.waiting.requests === 0 ? undefined : this.#headerAt(this.#cursor)?.addedMs;
  }

  /**
   * Takes the oldest record that waits, if it fits. Settled ones are passed over; what is damaged is passed over and
   * reported.
   */
  take(
    fits: (size: QueueSize) => boolean,
    isSettled: (sequence: number) => boolean,
    onDamage: OnDamage,
  ): StoredRecord | undefined {
    while (this.waiting.requests > 0) {
      const offset = this.#cursor;
      if (offset >= this.#end) {
        // Their headers are damaged, so that nobody can say where they were.
        onDamage({ path: this.path, offset, lost: this.waiting });
        this.waiting = NOTHING;
        break;
      }
      const header = this.#headerAt(offset);
      if (header === undefined) this.#cursor = this.#findHeader(offset + 1);
      else if (isSettled(header.sequence)) this.#cursor = offset + HEADER_BYTES + header.length;
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
   * Counts what is in the file, after a restart. A record that was not written to its end is cut off: nobody was told
   * that it is kept. Returns the last sequence number.
   */
  recover(isSettled: (sequence: number) => boolean, onDamage: OnDamage): number {
    let last = this.firstSequence - 1;
    let first: number | undefined;
    let at = 0;
    while (at < this.#end) {
      const header = this.#headerAt(at);
      const next = header === undefined ? this.#findHeader(at + 1) : at + HEADER_BYTES + header.length;
      if (header === undefined) {
        const isTorn = next === this.#end && next - at < HEADER_BYTES;
        if (!isTorn)
          onDamage({ path: this.path, offset: at, lost: { ...NOTHING, requests: 1, bytes: next - at } });
        if (next === this.#end) this.#cut(at);
      } else if (next > this.#end) this.#cut(at);
      else {
        last = Math.max(last, header.sequence);
        if (!isSettled(header.sequence)) {
          first ??= at;
          this.waiting = plus(this.waiting, sizeOfRecord(header));
        }
      }
      at = next;
    }
    this.#cursor = first ?? this.#end;
    return last;
  }

  /** Removes a record that was not written to its end; where that fails too, nothing can be written behind it. */
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

  remove(): void {
    closeSync(this.#fd);
    unlinkSync(this.path);
  }

  #findHeader(from: number): number {
    for (let at = from; at < this.#end; at += SCAN_BYTES) {
      // Headers may lie across two reads.
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
