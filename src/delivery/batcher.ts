// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import { BacklogRate } from "./backlog_rate.ts";
import type { QueueConfig } from "./config.ts";
import { type PendingRequest, type RequestQueue, sizeOfAll, type TakeLimit } from "./queue.ts";
import { type SizeFinding, SizeLimit } from "./size_limit.ts";

/** Requests are a backlog if they have waited for `flush_timeout` and this time in addition. */
const BACKLOG_MS = 10_000;

export interface BatcherOptions {
  readonly clock: Clock;
  readonly config: QueueConfig;
  /** Returns the current queue. At the start a queue on disk may replace the first one, which is in memory. */
  queue(): RequestQueue;
  /** Called when a batch may have become due. The callee calls `next`. */
  onDue(): void;
}

/**
 * Decides when requests leave the queue, and how many of them together. A batch is due
 * - as soon as `batch::min_size` waits, or
 * - when its requests have waited for `batch::flush_timeout`, or
 * - when its requests were requeued after a failed attempt, or
 * - when its requests are a backlog, and `backlog_rate` allows them to leave.
 */
export class Batcher {
  readonly #options: BatcherOptions;
  readonly #backlog: BacklogRate;
  readonly #sizeLimit: SizeLimit;
  /** How many of the oldest requests are due, even if together they are smaller than `batch::min_size`. */
  #dueCount = 0;
  #cancelFlush: (() => void) | undefined;
  #cancelBacklog: (() => void) | undefined;
  #isDraining = false;

  constructor(options: BatcherOptions) {
    this.#options = options;
    const { clock, config } = options;
    this.#backlog = new BacklogRate(clock, config.backlogRate);
    this.#sizeLimit = new SizeLimit(clock, config.batch.maxBytes);
  }

  /** Notes that a request of `bytes` bytes has been added to the queue. */
  enqueued(bytes: number): void {
    this.#backlog.enqueued(bytes);
    if (!this.#options.config.enabled) this.#dueCount++;
  }

  /** Notes that requests which `next` returned are back in the queue. They are due again at once. */
  requeued(requests: readonly PendingRequest[]): void {
    this.#dueCount += requests.length;
    this.#backlog.requeued(sizeOfAll(requests).bytes);
  }

  /** Makes all waiting requests due. */
  flush(): void {
    this.#dueCount = this.#options.queue().waiting.requests;
  }

  /** Makes all waiting requests due for a shutdown. `backlog_rate` no longer applies, and all timers end. */
  drain(): void {
    this.#isDraining = true;
    this.#cancelFlush?.();
    this.#cancelBacklog?.();
    this.flush();
  }

  /**
   * Learns the peer's limit from a batch that was too large for it. Returns whether batches are smaller from now on.
   */
  limitTo(finding: SizeFinding): boolean {
    return this.#sizeLimit.lower(finding);
  }

  /** Takes the next batch from the queue. If none is due, returns no requests, and calls `onDue` later. */
  next(): readonly PendingRequest[] {
    const isBacklog = this.#isBacklog();
    if (this.#isHeldBack(isBacklog)) return [];
    if (this.#dueCount === 0 && !this.#hasEnough() && !isBacklog) {
      this.#flushLater();
      return [];
    }
    const requests = this.#options.queue().take(this.#limit());
    const { requests: count, bytes } = sizeOfAll(requests);
    this.#dueCount = count === 0 ? 0 : Math.max(0, this.#dueCount - count);
    if (isBacklog) this.#backlog.taken(bytes);
    return requests;
  }

  #limit(): TakeLimit {
    const { maxItems } = this.#options.config.batch;
    const bytes = this.#sizeLimit.bytes;
    return maxItems === undefined ? { bytes } : { bytes, items: maxItems };
  }

  /** Whether the waiting requests have reached `batch::min_size`, so that they need not wait for more. */
  #hasEnough(): boolean {
    const { waiting } = this.#options.queue();
    const { bytes = Number.POSITIVE_INFINITY, items = Number.POSITIVE_INFINITY } =
      this.#options.config.batch.min;
    const enoughBytes = Math.min(bytes, this.#sizeLimit.foundBytes);
    return waiting.requests > 0 && (waiting.bytes >= enoughBytes || waiting.items >= items);
  }

  #isBacklog(): boolean {
    const { clock, config, queue } = this.#options;
    const { oldestMs } = queue();
    if (oldestMs === undefined) return false;
    // `abs`, since the oldest request seems to be from the future if the clock was set back.
    return Math.abs(clock.nowMs() - oldestMs) > config.batch.flushTimeoutMs + BACKLOG_MS;
  }

  /** Whether a backlog must wait, to leave no faster than `backlog_rate`. */
  #isHeldBack(isBacklog: boolean): boolean {
    const waitMs = this.#isDraining || !isBacklog ? 0 : this.#backlog.waitMs();
    if (waitMs === 0) return false;
    this.#cancelBacklog ??= this.#options.clock.after(waitMs, () => {
      this.#cancelBacklog = undefined;
      this.#options.onDue();
    });
    return true;
  }

  #flushLater(): void {
    const { clock, config, queue, onDue } = this.#options;
    if (this.#cancelFlush !== undefined || this.#isDraining || queue().waiting.requests === 0) return;
    this.#cancelFlush = clock.after(config.batch.flushTimeoutMs, () => {
      this.#cancelFlush = undefined;
      this.flush();
      onDue();
    });
  }
}
