import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Clock } from "../clock/clock.ts";
import { ACK_BYTES, decodeAcks, encodeAck } from "./disk_record.ts";
import { type Damage, Segment, type StoredRecord } from "./disk_segment.ts";
import {
  isWithin,
  minus,
  NOTHING,
  type Outgoing,
  plus,
  type QueueSize,
  type RequestQueue,
  sizeOf,
  type TakeLimit,
  type Taken,
} from "./queue.ts";

/** When what was written is made to survive a loss of power; a death of the process it survives anyway. */
export type Fsync = "never" | "always" | { readonly everyMs: number };

/** Bytes on disk that the queues of one directory share. */
export interface Quota {
  readonly bytesMax: number;
  bytes: number;
}

export interface DiskQueueOptions {
  /** Made if it is not there; nobody else writes in it. */
  readonly directory: string;
  readonly fsync: Fsync;
  readonly quota: Quota;
  readonly clock: Clock;
  /** A record was lost to damage on disk; it is counted and logged by whoever hears. */
  onDamage(damage: Damage): void;
  /** Something failed that costs no record. */
  onTrouble(error: Error): void;
}

interface DiskTaken extends Taken {
  readonly records: readonly { readonly segment: Segment; readonly sequence: number }[];
}

/** A segment is removed when all of it is settled: small ones give space back soon, large ones make few files. */
const SEGMENT_BYTES_MAX = 16 * 1024 * 1024;
const SEGMENTS_PER_QUOTA = 16;
/** A queue that is mostly empty need not make a file for each record. */
const KEPT_BYTES_MAX = 256 * 1024;
const SEGMENT = /^(\d{16})\.log$/;
const ACKS = "acks";
/** Acks of segments that are gone are dropped when there are so many. */
const ACKS_DROPPED_MIN = 4_096;

/**
 * A queue that outlives the process. Records are appended to segments, and settled ones to a list of acks; after a
 * restart what is not among the acks waits again, in its order. So a crash at any instant costs nothing that `add`
 * took, and repeats at most what was on its way.
 */
export class DiskQueue implements RequestQueue {
  readonly #options: DiskQueueOptions;
  readonly #segments: Segment[] = [];
  /** Of records in segments that are still there. */
  readonly #settled = new Set<number>();
  #acksFd: number;
  #acksWritten = 0;
  #acksTorn = false;
  #sequence = 0;
  #taken: QueueSize = NOTHING;
  #cancelSync: () => void = () => {};
  #isSyncing = false;

  /** Opens what is there. Throws what the file system says. */
  constructor(options: DiskQueueOptions) {
    this.#options = options;
    const { directory, quota } = options;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const acksPath = join(directory, ACKS);
    this.#acksFd = openSync(acksPath, "a", 0o600);
    for (const sequence of decodeAcks(readFileSync(acksPath))) this.#settled.add(sequence);
    for (const name of readdirSync(directory).sort()) {
      const first = SEGMENT.exec(name)?.[1];
      if (first === undefined) continue;
      const segment = new Segment(join(directory, name), Number(first));
      this.#segments.push(segment);
      const last = segment.recover(this.#isSettled, options.onDamage);
      this.#sequence = Math.max(this.#sequence, last, segment.firstSequence - 1);
      quota.bytes += segment.bytes;
    }
    for (const sequence of this.#settled) this.#sequence = Math.max(this.#sequence, sequence);
    this.#removeSettled();
    this.#rewriteAcks();
  }

  get waiting(): QueueSize {
    return this.#segments.reduce((sum, { waiting }) => plus(sum, waiting), NOTHING);
  }

  get size(): QueueSize {
    return plus(this.waiting, this.#taken);
  }

  get oldestMs(): number | undefined {
    return this.#oldest()?.oldestMs;
  }

  add({ bytes, points }: Outgoing, nowMs: number): string | undefined {
    const { quota, fsync } = this.#options;
    const segment = this.#writable(bytes.length);
    if (typeof segment === "string") return segment;
    const before = segment.bytes;
    try {
      const header = { sequence: this.#sequence + 1, points, addedMs: nowMs };
      segment.append(bytes, header, { sync: fsync === "always" });
    } catch (error) {
      return describe(error);
    } finally {
      quota.bytes += segment.bytes - before;
    }
    this.#sequence++;
    if (typeof fsync === "object") this.#syncLater(segment, fsync.everyMs);
    return undefined;
  }

  take(limit: TakeLimit): DiskTaken | undefined {
    const payloads: Uint8Array[] = [];
    const records: { segment: Segment; sequence: number }[] = [];
    let size = NOTHING;
    let latestMs = 0;
    const fits = (more: QueueSize): boolean => records.length === 0 || isWithin(plus(size, more), limit);
    for (let found = this.#takeOne(fits); found !== undefined; found = this.#takeOne(fits)) {
      const { segment, record } = found;
      const { sequence, points, addedMs } = record.header;
      latestMs = addedMs;
      payloads.push(record.payload);
      records.push({ segment, sequence });
      size = plus(size, sizeOf({ bytes: record.payload, points }));
    }
    const [only] = payloads;
    if (only === undefined) return undefined;
    this.#taken = plus(this.#taken, size);
    const bytes = payloads.length === 1 ? only : Buffer.concat(payloads);
    return { bytes, size, latestMs, records, sources: [] };
  }

  settle(taken: Taken): void {
    const { records, size } = taken as DiskTaken;
    const acks = Buffer.alloc(ACK_BYTES * records.length);
    for (const [index, { segment, sequence }] of records.entries()) {
      segment.taken.delete(sequence);
      this.#settled.add(sequence);
      encodeAck(sequence, acks, index * ACK_BYTES);
    }
    this.#taken = minus(this.#taken, size);
    this.#writeAcks(acks);
    this.#removeSettled();
    if (this.#acksWritten - this.#settled.size > ACKS_DROPPED_MIN) this.#rewriteAcks();
  }

  #writeAcks(acks: Buffer): void {
    // Behind a piece of an ack no other can be read.
    if (this.#acksTorn) {
      this.#rewriteAcks();
      return;
    }
    try {
      this.#acksTorn = writeSync(this.#acksFd, acks) < acks.length;
      if (this.#options.fsync === "always") fdatasyncSync(this.#acksFd);
      this.#acksWritten += acks.length / ACK_BYTES;
    } catch (error) {
      // They are sent again after a restart, if it comes before their segment is removed.
      this.#options.onTrouble(new Error(`cannot note what was delivered: ${describe(error)}`));
    }
  }

  close(): Promise<void> {
    this.#cancelSync();
    const { fsync, onTrouble, quota } = this.#options;
    for (const segment of this.#segments) {
      quota.bytes -= segment.bytes;
      try {
        if (fsync !== "never") segment.sync();
      } catch (error) {
        onTrouble(error as Error);
      }
      segment.close();
    }
    closeSync(this.#acksFd);
    return Promise.resolve();
  }

  readonly #isSettled = (sequence: number): boolean => this.#settled.has(sequence);

  #oldest(): Segment | undefined {
    return this.#segments.find(({ waiting }) => waiting.requests > 0);
  }

  #takeOne(fits: (size: QueueSize) => boolean): { segment: Segment; record: StoredRecord } | undefined {
    for (let segment = this.#oldest(); segment !== undefined; segment = this.#oldest()) {
      const record = segment.take(fits, this.#isSettled, this.#options.onDamage);
      if (record !== undefined) return { segment, record };
      // What waits there is too large for now, or was damaged and does not wait any more.
      if (segment.waiting.requests > 0) return undefined;
    }
    return undefined;
  }

  /** The segment for the next record, or why there is none. */
  #writable(bytes: number): Segment | string {
    const { quota, directory } = this.#options;
    if (quota.bytes + bytes > quota.bytesMax) return "the storage's quota is used up";
    const segmentMax = Math.min(SEGMENT_BYTES_MAX, quota.bytesMax / SEGMENTS_PER_QUOTA);
    const last = this.#segments.at(-1);
    if (last !== undefined && last.bytes < segmentMax) return last;
    const first = this.#sequence + 1;
    try {
      const segment = new Segment(join(directory, `${String(first).padStart(16, "0")}.log`), first);
      this.#segments.push(segment);
      if (this.#options.fsync !== "never") syncDirectory(directory);
      return segment;
    } catch (error) {
      return describe(error);
    }
  }

  /** Gives back the space of segments of which nothing is of use any more; the last one stays while it has room. */
  #removeSettled(): void {
    for (const segment of [...this.#segments]) {
      const isLast = segment === this.#segments.at(-1);
      if (!segment.isSettled || (isLast && segment.bytes < KEPT_BYTES_MAX)) continue;
      const next = this.#segments[this.#segments.indexOf(segment) + 1]?.firstSequence ?? this.#sequence + 1;
      this.#segments.splice(this.#segments.indexOf(segment), 1);
      this.#options.quota.bytes -= segment.bytes;
      try {
        segment.remove();
      } catch (error) {
        this.#options.onTrouble(error as Error);
      }
      for (let sequence = segment.firstSequence; sequence < next; sequence++) this.#settled.delete(sequence);
    }
  }

  /** Writes anew the acks that still matter, so that their file does not grow for ever. */
  #rewriteAcks(): void {
    const path = join(this.#options.directory, ACKS);
    const kept = [...this.#settled];
    // When no record is left, this keeps sequence numbers from being given out twice.
    if ((this.#segments[0]?.firstSequence ?? Number.POSITIVE_INFINITY) > this.#sequence)
      kept.push(this.#sequence);
    const bytes = Buffer.alloc(ACK_BYTES * kept.length);
    for (const [index, sequence] of kept.entries()) encodeAck(sequence, bytes, index * ACK_BYTES);
    try {
      writeFileSync(`${path}.new`, bytes, { mode: 0o600 });
      renameSync(`${path}.new`, path);
      // In this order: were the old one closed first and no other opened, acks would go to whoever gets its number next.
      const acksFd = openSync(path, "a", 0o600);
      closeSync(this.#acksFd);
      this.#acksFd = acksFd;
      this.#acksWritten = kept.length;
      this.#acksTorn = false;
    } catch (error) {
      this.#options.onTrouble(
        new Error(`cannot tidy up the notes of what was delivered: ${describe(error)}`),
      );
    }
  }

  #syncLater(segment: Segment, everyMs: number): void {
    if (this.#isSyncing) return;
    this.#isSyncing = true;
    this.#cancelSync = this.#options.clock.after(everyMs, () => {
      this.#isSyncing = false;
      segment.syncLater((error) => {
        if (error !== null) this.#options.onTrouble(error);
      });
    });
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
