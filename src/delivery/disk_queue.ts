// SPDX-License-Identifier: Apache-2.0

import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../clock/clock.ts";
import { messageOf } from "../text/error_text.ts";
import { Acks } from "./disk_acks.ts";
import { hasDiskSpace, hasSpace, syncDirectory } from "./disk_directory.ts";
import { type Damage, Segment } from "./disk_segment.ts";
import { DelayedSync } from "./disk_sync.ts";
import { PutBack } from "./put_back.ts";
import {
  isWithin,
  minus,
  NOTHING,
  type Outgoing,
  plus,
  type Queued,
  type QueueSize,
  type RequestQueue,
  sizeOf,
  sizeOfAll,
  type TakeLimit,
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

interface DiskQueued extends Queued {
  readonly segment: Segment;
}

/** A segment is removed when all of it is settled: small ones give space back soon, large ones make few files. */
const SEGMENT_BYTES_MAX = 16 * 1024 * 1024;
const SEGMENTS_PER_QUOTA = 16;
/** A queue that is mostly empty need not make a file for each record. */
const KEPT_BYTES_MAX = 256 * 1024;
const SEGMENT = /^(\d{16})\.log$/;
/** After a failed write the queue says for so long that it has no space: the next one may be lost as well. */
const FAILED_MS = 10_000;

/**
 * A queue that outlives the process. Records are appended to segments, and settled ones to a list of acks; after a
 * restart what is not among the acks waits again, in its order. So a crash at any instant costs nothing that `add`
 * took, and repeats at most what was on its way.
 */
export class DiskQueue implements RequestQueue {
  readonly #options: DiskQueueOptions;
  readonly #segments: Segment[] = [];
  readonly #acks: Acks;
  readonly #putBack = new PutBack<DiskQueued>();
  #sequence = 0;
  #taken: QueueSize = NOTHING;
  readonly #sync: DelayedSync | undefined;
  #failedMs = Number.NEGATIVE_INFINITY;

  /** Opens what is there. Throws what the file system says. */
  constructor(options: DiskQueueOptions) {
    this.#options = options;
    const { directory, quota, fsync, clock, onTrouble } = options;
    if (typeof fsync === "object") {
      const isInUse = (segment: Segment): boolean => this.#segments.includes(segment);
      this.#sync = new DelayedSync({ clock, everyMs: fsync.everyMs, isInUse, onError: onTrouble });
    }
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#acks = new Acks({ directory, sync: fsync === "always", onTrouble });
    for (const name of readdirSync(directory).sort()) {
      const first = SEGMENT.exec(name)?.[1];
      if (first === undefined) continue;
      const segment = new Segment(join(directory, name), Number(first));
      this.#segments.push(segment);
      const last = segment.recover(this.#isSettled, options.onDamage);
      this.#sequence = Math.max(this.#sequence, last, segment.firstSequence - 1);
      quota.bytes += segment.bytes;
    }
    this.#sequence = Math.max(this.#sequence, this.#acks.last);
    this.#removeSettled();
    this.#acks.rewrite();
  }

  get waiting(): QueueSize {
    return this.#segments.reduce((sum, { waiting }) => plus(sum, waiting), this.#putBack.size);
  }

  get size(): QueueSize {
    return plus(this.waiting, this.#taken);
  }

  get oldestMs(): number | undefined {
    return this.#putBack.oldestMs ?? this.#oldest()?.oldestMs;
  }

  get hasSpace(): boolean {
    const { quota, clock, directory } = this.#options;
    if (clock.monotonicMs() - this.#failedMs < FAILED_MS) return false;
    return hasSpace(quota.bytesMax - quota.bytes, quota.bytesMax) && hasDiskSpace(directory);
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
      this.#failedMs = this.#options.clock.monotonicMs();
      return messageOf(error);
    } finally {
      quota.bytes += segment.bytes - before;
    }
    this.#sequence++;
    this.#sync?.wrote(segment);
    return undefined;
  }

  take(limit: TakeLimit): readonly DiskQueued[] {
    const taken = this.#putBack.take(limit);
    let size = sizeOfAll(taken);
    const fits = (more: QueueSize): boolean => taken.length === 0 || isWithin(plus(size, more), limit);
    // What is left there is older than all that is in the segments.
    const isLeft = this.#putBack.size.requests > 0;
    for (
      let next = isLeft ? undefined : this.#takeOne(fits);
      next !== undefined;
      next = this.#takeOne(fits)
    ) {
      taken.push(next);
      size = plus(size, sizeOf(next));
    }
    this.#taken = plus(this.#taken, size);
    return taken;
  }

  putBack(requests: readonly DiskQueued[]): void {
    this.#taken = minus(this.#taken, sizeOfAll(requests));
    this.#putBack.add(requests);
  }

  settle(requests: readonly DiskQueued[]): void {
    for (const { segment, sequence } of requests) segment.taken.delete(sequence);
    this.#taken = minus(this.#taken, sizeOfAll(requests));
    this.#acks.add(requests.map(({ sequence }) => sequence));
    this.#removeSettled();
  }

  close(): Promise<void> {
    this.#sync?.cancel();
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
    this.#acks.close();
    return Promise.resolve();
  }

  readonly #isSettled = (sequence: number): boolean => this.#acks.has(sequence);

  #oldest(): Segment | undefined {
    return this.#segments.find(({ waiting }) => waiting.requests > 0);
  }

  #takeOne(fits: (size: QueueSize) => boolean): DiskQueued | undefined {
    for (let segment = this.#oldest(); segment !== undefined; segment = this.#oldest()) {
      const record = segment.take(fits, this.#isSettled, this.#options.onDamage);
      if (record !== undefined) {
        const { sequence, points, addedMs } = record.header;
        return { bytes: record.payload, points, sequence, addedMs, source: undefined, segment };
      }
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
    const first = this.#sequence + 1;
    try {
      if (last !== undefined && last.bytes < segmentMax && !last.isGone && !last.isTorn) return last;
      // Somebody may have removed the directory, or mounted another one there.
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      if (last?.isGone === true) this.#acks.rewrite();
      const segment = new Segment(join(directory, `${String(first).padStart(16, "0")}.log`), first);
      this.#segments.push(segment);
      if (this.#options.fsync !== "never") syncDirectory(directory);
      return segment;
    } catch (error) {
      return messageOf(error);
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
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#options.onTrouble(error as Error);
      }
      this.#acks.drop(segment.firstSequence, next);
    }
  }
}
