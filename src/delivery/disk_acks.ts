// SPDX-License-Identifier: Apache-2.0
import {
  closeSync,
  fdatasyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { ACK_BYTES, decodeAcks, encodeAck } from "./disk_record.ts";

const NAME = "acks";
/** The file is rewritten when more than this many of its acks, 64 KiB, belong to removed segments. */
const OBSOLETE_MIN = 4_096;

export interface AcksOptions {
  readonly directory: string;
  /** Whether each ack is forced to the disk at once, so that it survives a loss of power. */
  readonly sync: boolean;
  /**
   * Called when the file could not be written. Records whose acks are not in the file are sent again after a restart.
   */
  onError(error: Error): void;
}

/** The sequence numbers of the acknowledged records. They are appended to a file, which is rewritten when it grows. */
export class Acks {
  readonly #options: AcksOptions;
  readonly #path: string;
  /** The numbers of the acknowledged records whose segments are still on disk. */
  readonly #acknowledged = new Set<number>();
  #fd: number;
  /** The highest number that was ever acknowledged; 0 if none was. */
  last = 0;
  /** The number of acks in the file. */
  #written = 0;
  /** Whether the file ends in a part of an ack. If so, it must be rewritten before another ack is written. */
  #isTorn = false;

  /** Reads the file. Throws errors of the file system. */
  constructor(options: AcksOptions) {
    this.#options = options;
    this.#path = join(options.directory, NAME);
    this.#fd = openSync(this.#path, "a", 0o600);
    for (const sequence of decodeAcks(readFileSync(this.#path))) this.#note(sequence);
  }

  has(sequence: number): boolean {
    return this.#acknowledged.has(sequence);
  }

  add(sequences: readonly number[]): void {
    const acks = Buffer.alloc(ACK_BYTES * sequences.length);
    for (const [index, sequence] of sequences.entries()) {
      this.#note(sequence);
      encodeAck(sequence, acks, index * ACK_BYTES);
    }
    if (this.#isTorn) this.rewrite();
    else this.#append(acks);
    if (this.#written - this.#acknowledged.size > OBSOLETE_MIN) this.rewrite();
  }

  /** Forgets the acks from `first` to `end - 1`. The caller has removed the segment with their records. */
  drop(first: number, end: number): void {
    for (let sequence = first; sequence < end; sequence++) this.#acknowledged.delete(sequence);
  }

  /** Rewrites the file with the acks that are still needed, and with the highest, so that no number is used twice. */
  rewrite(): void {
    const kept = [...new Set(this.#acknowledged).add(this.last)];
    const bytes = Buffer.alloc(ACK_BYTES * kept.length);
    for (const [index, sequence] of kept.entries()) encodeAck(sequence, bytes, index * ACK_BYTES);
    try {
      writeFileSync(`${this.#path}.new`, bytes, { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
      // The new file is opened before the old one is closed. If opening failed after that, `#fd` would be closed.
      const fd = openSync(this.#path, "a", 0o600);
      closeSync(this.#fd);
      this.#fd = fd;
      this.#written = kept.length;
      this.#isTorn = false;
    } catch (error) {
      this.#options.onError(
        new Error(`cannot tidy up the notes of what was delivered: ${(error as Error).message}`),
      );
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #note(sequence: number): void {
    this.#acknowledged.add(sequence);
    this.last = Math.max(this.last, sequence);
  }

  #append(acks: Buffer): void {
    try {
      this.#isTorn = writeSync(this.#fd, acks) < acks.length;
      if (this.#options.sync) fdatasyncSync(this.#fd);
      this.#written += acks.length / ACK_BYTES;
    } catch (error) {
      // Records whose acks are missing are sent again after a restart, unless their segment has been removed by then.
      this.#options.onError(new Error(`cannot note what was delivered: ${(error as Error).message}`));
    }
  }
}
