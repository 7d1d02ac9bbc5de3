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
/** Acks of segments that are gone are dropped when there are so many. */
const DROPPED_MIN = 4_096;

export interface AcksOptions {
  readonly directory: string;
  /** Whether every ack is made to survive a loss of power. */
  readonly sync: boolean;
  /** Hears of an ack that could not be written: its record is sent again after a restart. */
  onTrouble(error: Error): void;
}

/** The numbers of the records that have been settled, as a file that is appended to and rewritten from time to time. */
export class Acks {
  readonly #options: AcksOptions;
  readonly #path: string;
  /** Of records in segments that are still there. */
  readonly #settled = new Set<number>();
  #fd: number;
  /** The highest number that was ever settled; 0 where none was. */
  last = 0;
  #written = 0;
  /** Whether the file ends in a piece of an ack, behind which no other can be read. */
  #isTorn = false;

  /** Reads what is there. Throws what the file system says. */
  constructor(options: AcksOptions) {
    this.#options = options;
    this.#path = join(options.directory, NAME);
    this.#fd = openSync(this.#path, "a", 0o600);
    for (const sequence of decodeAcks(readFileSync(this.#path))) this.#note(sequence);
  }

  has(sequence: number): boolean {
    return this.#settled.has(sequence);
  }

  add(sequences: readonly number[]): void {
    const acks = Buffer.alloc(ACK_BYTES * sequences.length);
    for (const [index, sequence] of sequences.entries()) {
      this.#note(sequence);
      encodeAck(sequence, acks, index * ACK_BYTES);
    }
    if (this.#isTorn) this.rewrite();
    else this.#append(acks);
    if (this.#written - this.#settled.size > DROPPED_MIN) this.rewrite();
  }

  /** Forgets the acks from `first` up to `end`: their segment is gone. */
  drop(first: number, end: number): void {
    for (let sequence = first; sequence < end; sequence++) this.#settled.delete(sequence);
  }

  /** Writes anew the acks that still matter, and the last one, which keeps numbers from being given out twice. */
  rewrite(): void {
    const kept = [...new Set(this.#settled).add(this.last)];
    const bytes = Buffer.alloc(ACK_BYTES * kept.length);
    for (const [index, sequence] of kept.entries()) encodeAck(sequence, bytes, index * ACK_BYTES);
    try {
      writeFileSync(`${this.#path}.new`, bytes, { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
      // In this order: were the old one closed first and no other opened, acks would go to whoever gets its number next.
      const fd = openSync(this.#path, "a", 0o600);
      closeSync(this.#fd);
      this.#fd = fd;
      this.#written = kept.length;
      this.#isTorn = false;
    } catch (error) {
      this.#options.onTrouble(
        new Error(`cannot tidy up the notes of what was delivered: ${(error as Error).message}`),
      );
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #note(sequence: number): void {
    this.#settled.add(sequence);
    this.last = Math.max(this.last, sequence);
  }

  #append(acks: Buffer): void {
    try {
      this.#isTorn = writeSync(this.#fd, acks) < acks.length;
      if (this.#options.sync) fdatasyncSync(this.#fd);
      this.#written += acks.length / ACK_BYTES;
    } catch (error) {
      // They are sent again after a restart, if it comes before their segment is removed.
      this.#options.onTrouble(new Error(`cannot note what was delivered: ${(error as Error).message}`));
    }
  }
}
