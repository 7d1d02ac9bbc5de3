// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../clock/clock.ts";
import { messageOf } from "../text/error_text.ts";
import { Acks } from "./disk_acks.ts";
import { hasDiskSpace, hasSpace, syncDirectory } from "./disk_directory.ts";
import { type Damage, Segment } from "./disk_segment.ts";
import { DelayedSync } from "./disk_sync.ts";
import {
  type EncodedRequest,
  isWithin,
  minus,
  type PendingRequest,
  plus,
  type QueueSize,
  type RequestQueue,
  sizeOf,
  sizeOfAll,
  type TakeLimit,
  ZERO_SIZE,
} from "./queue.ts";
import { Requeued } from "./requeued.ts";

/**
 * When writes are forced to the disk, so that they survive a loss of power. They survive a crash of the agent anyway.
 */
export type Fsync = "never" | "always" | { readonly everyMs: number };

/** The limit on the bytes on disk of all queues of one storage. */
export interface Quota {
  /** The most bytes of all queues together. */
  readonly bytesMax: number;
  /**
   * The bytes of all queues together. Each queue adds the bytes that it writes, and subtracts those that it removes.
   */
  bytes: number;
}

export interface DiskQueueOptions {
  /** The queue makes the directory if it is missing. Nothing else may write to it. */
  readonly directory: string;
  readonly fsync: Fsync;
  readonly quota: Quota;
  readonly clock: Clock;
  /** Called when damage on disk has made a record unreadable. The callee counts and logs the loss. */
  onDamage(damage: Damage): void;
  /** Called when a sync, a removal of a file or a write of acks fails. No record is lost by such a failure. */
  onError(error: Error): void;
}

/** A request that was read from a record, with the segment that has the record. */
interface RequestOnDisk extends PendingRequest {
  readonly segment: Segment;
}

/** A segment of this size is full. Smaller segments would free space sooner, larger ones would make fewer files. */
const SEGMENT_BYTES_MAX = 16 * 1024 * 1024;
/** A segment is also full at this fraction of the quota, so that a small quota has several segments too. */
const SEGMENTS_PER_QUOTA = 16;
/** The last segment is kept while smaller than this, so that a nearly empty queue makes no file for each record. */
const KEPT_BYTES_MAX = 256 * 1024;
const SEGMENT_NAME = /^(\d{16})\.log$/;
/** How long the queue reports no space after a failed write, since the next write may fail too. */
const FAILED_MS = 10_000;

/**
 * A queue that outlives the process. Requests are records that are appended to segments; the numbers of acknowledged
 * records are appended to a list of acks. After a restart, all records whose numbers are not in this list wait again.
 * So a crash at any instant loses no request that `add` has stored; requests that were being sent then are sent twice.
 */
export class DiskQueue implements RequestQueue {
  readonly #options: DiskQueueOptions;
  readonly #segments: Segment[] = [];
  readonly #acks: Acks;
  readonly #requeued = new Requeued<RequestOnDisk>();
  /** The sequence number of the last record that was written. */
  #sequence = 0;
  /** The size of the requests that were taken, and neither acknowledged nor requeued. */
  #taken: QueueSize = ZERO_SIZE;
  readonly #sync: DelayedSync | undefined;
  /** When a write last failed, by the monotonic clock. */
  #failedMs = Number.NEGATIVE_INFINITY;

  /** Opens the queue with the records that are on disk. Throws errors of the file system. */
  constructor(options: DiskQueueOptions) {
    this.#options = options;
    const { directory, quota, fsync, clock, onError } = options;
    if (typeof fsync === "object") {
      const isInUse = (segment: Segment): boolean => this.#segments.includes(segment);
      this.#sync = new DelayedSync({ clock, everyMs: fsync.everyMs, isInUse, onError });
    }
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#acks = new Acks({ directory, sync: fsync === "always", onError });
    for (const name of readdirSync(directory).sort()) {
      const first = SEGMENT_NAME.exec(name)?.[1];
      if (first === undefined) continue;
      const segment = new Segment(join(directory, name), Number(first));
      this.#segments.push(segment);
      const last = segment.recover(this.#isAcknowledged, options.onDamage);
      this.#sequence = Math.max(this.#sequence, last, segment.firstSequence - 1);
      quota.bytes += segment.bytes;
    }
    this.#sequence = Math.max(this.#sequence, this.#acks.last);
    this.#removeAcknowledged();
    this.#acks.rewrite();
  }

  get waiting(): QueueSize {
    return this.#segments.reduce((sum, { waiting }) => plus(sum, waiting), this.#requeued.size);
  }

  get size(): QueueSize {
    return plus(this.waiting, this.#taken);
  }

  get oldestMs(): number | undefined {
    return this.#requeued.oldestMs ?? this.#oldest()?.oldestMs;
  }

  get hasSpace(): boolean {
    const { quota, clock, directory } = this.#options;
    if (clock.monotonicMs() - this.#failedMs < FAILED_MS) return false;
    return hasSpace(quota.bytesMax - quota.bytes, quota.bytesMax) && hasDiskSpace(directory);
  }

  add({ bytes, points }: EncodedRequest, nowMs: number): string | undefined {
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

  take(limit: TakeLimit): readonly RequestOnDisk[] {
    const taken = this.#requeued.take(limit);
    let size = sizeOfAll(taken);
    const fits = (more: QueueSize): boolean => taken.length === 0 || isWithin(plus(size, more), limit);
    // If requeued requests still wait, they exceed the limit. All records in the segments are newer: none is taken.
    const isLeft = this.#requeued.size.requests > 0;
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

  requeue(requests: readonly RequestOnDisk[]): void {
    this.#taken = minus(this.#taken, sizeOfAll(requests));
    this.#requeued.add(requests);
  }

  acknowledge(requests: readonly RequestOnDisk[]): void {
    for (const { segment, sequence } of requests) segment.taken.delete(sequence);
    this.#taken = minus(this.#taken, sizeOfAll(requests));
    this.#acks.add(requests.map(({ sequence }) => sequence));
    this.#removeAcknowledged();
  }

  close(): Promise<void> {
    this.#sync?.cancel();
    const { fsync, onError, quota } = this.#options;
    for (const segment of this.#segments) {
      quota.bytes -= segment.bytes;
      try {
        if (fsync !== "never") segment.sync();
      } catch (error) {
        onError(error as Error);
      }
      segment.close();
    }
    this.#acks.close();
    return Promise.resolve();
  }

  readonly #isAcknowledged = (sequence: number): boolean => this.#acks.has(sequence);

  #oldest(): Segment | undefined {
    return this.#segments.find(({ waiting }) => waiting.requests > 0);
  }

  #takeOne(fits: (size: QueueSize) => boolean): RequestOnDisk | undefined {
    for (let segment = this.#oldest(); segment !== undefined; segment = this.#oldest()) {
      const record = segment.take(fits, this.#isAcknowledged, this.#options.onDamage);
      if (record !== undefined) {
        const { sequence, points, addedMs } = record.header;
        return { bytes: record.payload, points, sequence, addedMs, source: undefined, segment };
      }
      // No record: either the next one exceeds the limit, or the rest of this segment was damaged and no longer waits.
      if (segment.waiting.requests > 0) return undefined;
    }
    return undefined;
  }

  /** Returns the segment to which the next record is appended, or the reason why there is none. */
  #writable(bytes: number): Segment | string {
    const { quota, directory } = this.#options;
    if (quota.bytes + bytes > quota.bytesMax) return "the storage's quota is used up";
    const segmentMax = Math.min(SEGMENT_BYTES_MAX, quota.bytesMax / SEGMENTS_PER_QUOTA);
    const last = this.#segments.at(-1);
    const first = this.#sequence + 1;
    try {
      if (last !== undefined && last.bytes < segmentMax && !last.isGone && !last.isTorn) return last;
      // The directory may have been removed, or another one may have been mounted there.
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

  /** Removes segments whose records are all acknowledged, except a last one that is smaller than `KEPT_BYTES_MAX`. */
  #removeAcknowledged(): void {
    for (const segment of [...this.#segments]) {
      const isLast = segment === this.#segments.at(-1);
      if (!segment.isAcknowledged || (isLast && segment.bytes < KEPT_BYTES_MAX)) continue;
      const next = this.#segments[this.#segments.indexOf(segment) + 1]?.firstSequence ?? this.#sequence + 1;
      this.#segments.splice(this.#segments.indexOf(segment), 1);
      this.#options.quota.bytes -= segment.bytes;
      try {
        segment.remove();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#options.onError(error as Error);
      }
      this.#acks.drop(segment.firstSequence, next);
    }
  }
}
