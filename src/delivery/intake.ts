import type { Clock } from "../clock/clock.ts";
import type { NoRoom } from "../component/consumer.ts";
import type { QueueConfig } from "./config.ts";
import { type Outgoing, type Queued, type RequestQueue, sizeOf, sizeOfAll } from "./queue.ts";
import type { DeliveryReport, LossReason } from "./report.ts";

/** An end may pass the queue's size by this share: nobody would say it again. */
const ENDS_SHARE = 0.25;
const ONE_REQUEST = { requests: 1 };
/** Of requests that are dropped at once for their age: on disk each takes about 0.1 ms. */
const EXPIRED_MAX = 256;

export interface IntakeOptions {
  readonly clock: Clock;
  readonly config: QueueConfig;
  readonly report: DeliveryReport;
  /** The queue as it is now: a storage's takes the place of the first one. */
  queue(): RequestQueue;
}

/** Takes requests into the queue: asks for room, makes room, and counts what finds none. */
export class Intake {
  readonly #options: IntakeOptions;
  /** With `wait_for_result`: how many requests of a source are in the queue or on their way. */
  readonly #pending = new Map<string, number>();
  #isClosed = false;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Nothing is taken any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** Why the exporter would rather not have a request of this source now. */
  noRoom(source: string): NoRoom | undefined {
    const { wait_for_result, block_on_overflow } = this.#options.config;
    if (wait_for_result && this.#pending.has(source)) return "result_pending";
    if (block_on_overflow && (this.#isFull() || !this.#options.queue().hasSpace)) return "queue_full";
    return undefined;
  }

  /** Whether the request is in the queue now; otherwise it is lost, and counted. */
  take(request: Outgoing): boolean {
    const error = this.#add(request);
    if (error !== undefined) {
      this.#options.report.rejected(request.points, error);
      return false;
    }
    const { source } = request;
    if (source !== undefined && this.#options.config.wait_for_result)
      this.#pending.set(source, (this.#pending.get(source) ?? 0) + 1);
    if (request.endPoints !== undefined) this.#options.report.ended(request.endPoints);
    return true;
  }

  /** Forgets requests that have been delivered or lost. */
  settle(requests: readonly Queued[]): void {
    this.#options.queue().settle(requests);
    for (const { source } of requests) {
      if (source === undefined) continue;
      const left = (this.#pending.get(source) ?? 0) - 1;
      if (left > 0) this.#pending.set(source, left);
      else this.#pending.delete(source);
    }
  }

  /** Drops what has waited longer than `max_age`; of very much a part, so that nobody waits for it, and the next call more. */
  expire(): void {
    const { clock, config, queue } = this.#options;
    if (config.max_age === 0) return;
    const oldestMs = clock.nowMs() - config.max_age;
    for (let count = 0; count < EXPIRED_MAX; count++) {
      if ((queue().oldestMs ?? Number.POSITIVE_INFINITY) >= oldestMs) return;
      this.#dropOldest("max_age", "the request waited longer than max_age");
    }
  }

  #isFull(): boolean {
    const { enabled, queue_size, sizer, num_consumers } = this.#options.config;
    const { size } = this.#options.queue();
    return enabled ? size[sizer] >= queue_size : size.requests >= num_consumers;
  }

  /** Why the request cannot be taken; undefined where it was. */
  #add(request: Outgoing): string | undefined {
    const { config, clock, queue } = this.#options;
    if (this.#isClosed) return "the exporter is shutting down";
    if (!config.enabled && this.#isFull()) return "all senders are busy; enable sending_queue";
    this.expire();
    const mayDrop = config.overflow === "drop_oldest";
    while (!this.#fits(request))
      if (!mayDrop || !this.#dropOldest("overflow", "sending queue is full")) return "sending queue is full";
    const nowMs = clock.nowMs();
    let error = queue().add(request, nowMs);
    while (error !== undefined && mayDrop && this.#dropOldest("overflow", error))
      error = queue().add(request, nowMs);
    return error;
  }

  #fits(request: Outgoing): boolean {
    const { enabled, queue_size, sizer, block_on_overflow } = this.#options.config;
    const { size } = this.#options.queue();
    // With block_on_overflow the source was asked to make none; one that was under way already is not lost for that.
    // A request may pass the usual size where one metric is very large; an empty queue takes it all the same.
    if (!enabled || block_on_overflow || size.requests === 0) return true;
    const limit = request.isEnd === true ? queue_size * (1 + ENDS_SHARE) : queue_size;
    return size[sizer] + sizeOf(request)[sizer] <= limit;
  }

  /** Whether there was one that waits: it is lost. */
  #dropOldest(reason: LossReason, error: string): boolean {
    const oldest = this.#options.queue().take(ONE_REQUEST);
    if (oldest.length === 0) return false;
    this.#options.report.lost(sizeOfAll(oldest).items, { reason, errorType: reason, error });
    this.settle(oldest);
    return true;
  }
}
