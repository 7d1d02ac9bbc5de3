// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import { BacklogRate } from "./backlog.ts";
import type { QueueConfig } from "./config.ts";
import { type Queued, type RequestQueue, sizeOfAll, type TakeLimit } from "./queue.ts";
import { type SizeFinding, SizeLimit } from "./size_limit.ts";

/** What has waited so much longer than a batch is gathered is a backlog. */
const BACKLOG_MS = 10_000;

export interface BatcherOptions {
  readonly clock: Clock;
  readonly config: QueueConfig;
  /** The queue as it is now: a storage's takes the place of the first one. */
  queue(): RequestQueue;
  /** Hears when a batch may have become due. */
  onDue(): void;
}

/** Says when requests leave the queue, and how many of them together. */
export class Batcher {
  readonly #options: BatcherOptions;
  readonly #backlog: BacklogRate;
  readonly #sizeLimit: SizeLimit;
  /** Requests that have waited for `flush_timeout`: they leave however few they are. */
  #due = 0;
  #cancelFlush: (() => void) | undefined;
  #cancelBacklog: (() => void) | undefined;
  #isEnding = false;

  constructor(options: BatcherOptions) {
    this.#options = options;
    const { clock, config } = options;
    this.#backlog = new BacklogRate(clock, config.backlog_rate);
    this.#sizeLimit = new SizeLimit(clock, config.batch.max_size);
  }

  /** A request of so many bytes has come in. */
  came(bytes: number): void {
    this.#backlog.came(bytes);
    if (!this.#options.config.enabled) this.#due++;
  }

  /** They wait again, and were due already. */
  cameBack(requests: readonly Queued[]): void {
    this.#due += requests.length;
    this.#backlog.cameBack(sizeOfAll(requests).bytes);
  }

  /** All that waits leaves as soon as it can. */
  flush(): void {
    this.#due = this.#options.queue().waiting.requests;
  }

  /** From now on all that waits leaves as fast as it can. */
  end(): void {
    this.#isEnding = true;
    this.#cancelFlush?.();
    this.#cancelBacklog?.();
    this.flush();
  }

  /** A peer has found a batch too large. Whether batches are smaller from now on. */
  limitTo(finding: SizeFinding): boolean {
    return this.#sizeLimit.lower(finding);
  }

  /** The requests of the next batch; none where none is due. Sees to it that `onDue` is called when one may be. */
  next(): readonly Queued[] {
    const isBacklog = this.#isBacklog();
    if (this.#isHeldBack(isBacklog)) return [];
    if (this.#due === 0 && !this.#isFull() && !isBacklog) {
      this.#flushLater();
      return [];
    }
    const requests = this.#options.queue().take(this.#limit());
    const { requests: count, bytes } = sizeOfAll(requests);
    this.#due = count === 0 ? 0 : Math.max(0, this.#due - count);
    if (isBacklog) this.#backlog.left(bytes);
    return requests;
  }

  #limit(): TakeLimit {
    const { max_items } = this.#options.config.batch;
    const bytes = this.#sizeLimit.bytes;
    return max_items === undefined ? { bytes } : { bytes, items: max_items };
  }

  #isFull(): boolean {
    const { waiting } = this.#options.queue();
    const { bytes = Number.POSITIVE_INFINITY, items = Number.POSITIVE_INFINITY } =
      this.#options.config.batch.min;
    const enoughBytes = Math.min(bytes, this.#sizeLimit.found);
    return waiting.requests > 0 && (waiting.bytes >= enoughBytes || waiting.items >= items);
  }

  #isBacklog(): boolean {
    const { clock, config, queue } = this.#options;
    const { oldestMs } = queue();
    if (oldestMs === undefined) return false;
    // After a clock was set back, what has waited longest seems to come from the future.
    return Math.abs(clock.nowMs() - oldestMs) > config.batch.flush_timeout + BACKLOG_MS;
  }

  /** Whether a backlog must wait for its turn. */
  #isHeldBack(isBacklog: boolean): boolean {
    const waitMs = this.#isEnding || !isBacklog ? 0 : this.#backlog.waitMs();
    if (waitMs === 0) return false;
    this.#cancelBacklog ??= this.#options.clock.after(waitMs, () => {
      this.#cancelBacklog = undefined;
      this.#options.onDue();
    });
    return true;
  }

  #flushLater(): void {
    const { clock, config, queue, onDue } = this.#options;
    if (this.#cancelFlush !== undefined || this.#isEnding || queue().waiting.requests === 0) return;
    this.#cancelFlush = clock.after(config.batch.flush_timeout, () => {
      this.#cancelFlush = undefined;
      this.flush();
      onDue();
    });
  }
}
