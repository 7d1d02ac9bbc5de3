// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import type { NoRoom } from "../component/consumer.ts";
import type { QueueConfig } from "./config.ts";
import {
  NOTHING,
  type Outgoing,
  plus,
  type Queued,
  type QueueSize,
  type RequestQueue,
  sizeOf,
  sizeOfAll,
} from "./queue.ts";
import { QueueReadiness } from "./queue_readiness.ts";
import type { DeliveryReport, LossReason } from "./report.ts";

/** An end may pass the queue's size by this share: nobody would say it again. */
const ENDS_SHARE = 0.25;
const ONE_REQUEST = { requests: 1 };
const FULL = "sending queue is full";
const NO_SPACE = "its storage has no space";
/** Of requests that are dropped at once for their age: on disk each takes about 0.1 ms. */
const EXPIRED_MAX = 256;

export interface IntakeOptions {
  readonly clock: Clock;
  readonly config: QueueConfig;
  readonly report: DeliveryReport;
  /** Keeps the agent from being ready, until the returned function is called. */
  holdReadiness(reason: string): () => void;
  /** The queue as it is now: a storage's takes the place of the first one. */
  queue(): RequestQueue;
}

/** Takes requests into the queue: asks for room, makes room, and counts what finds none. */
export class Intake {
  readonly #options: IntakeOptions;
  /** With `wait_for_result`: how many requests of a source are in the queue or on their way. */
  readonly #pending = new Map<string, number>();
  readonly #readiness: QueueReadiness;
  /** Of the latest request for which there was no room. */
  #refused: QueueSize = NOTHING;
  #isClosed = false;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#readiness = new QueueReadiness({
      clock: options.clock,
      hold: (reason) => options.holdReadiness(reason),
      hasRoom: () => this.#hasRoom(),
    });
  }

  /** Says so where a queue that was there before has no room. */
  open(): void {
    if (!this.#hasRoom()) this.#noteFull(this.#isFull() ? FULL : NO_SPACE);
  }

  /** Nothing is taken any more. */
  close(): void {
    this.#isClosed = true;
    this.#readiness.close();
  }

  /** Why the exporter would rather not have a request of this source now. */
  noRoom(source: string): NoRoom | undefined {
    const { wait_for_result, block_on_overflow } = this.#options.config;
    if (wait_for_result && this.#pending.has(source)) return "result_pending";
    if (!block_on_overflow || this.#hasRoom()) return undefined;
    this.#noteFull(this.#isFull() ? FULL : NO_SPACE);
    return "queue_full";
  }

  /** Whether the request is in the queue now; otherwise it is lost, and counted. */
  take(request: Outgoing): boolean {
    const error = this.#add(request);
    if (error !== undefined) {
      this.#options.report.rejected(request.points, error);
      this.#noteFull(error, request);
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

  #hasRoom(): boolean {
    return !this.#isFull() && this.#options.queue().hasSpace && this.#fits(this.#refused);
  }

  /** The agent is not ready while its queue takes nothing; who has none wants what cannot be sent to be lost. */
  #noteFull(error: string, request?: Outgoing): void {
    const { enabled, overflow } = this.#options.config;
    if (!enabled || this.#isClosed) return;
    this.#refused = request === undefined ? NOTHING : sizeOf(request);
    const words = overflow === "drop_oldest" ? "loses its oldest readings" : "takes no readings";
    this.#readiness.full(`its queue ${words}: ${error}`);
  }

  /** Why the request cannot be taken; undefined where it was. */
  #add(request: Outgoing): string | undefined {
    const { config, clock, queue } = this.#options;
    if (this.#isClosed) return "the exporter is shutting down";
    if (!config.enabled && this.#isFull()) return "all senders are busy; enable sending_queue";
    this.expire();
    const mayDrop = config.overflow === "drop_oldest";
    const makeRoom = (error: string): boolean => {
      if (!mayDrop || !this.#dropOldest("overflow", error)) return false;
      this.#noteFull(error, request);
      return true;
    };
    while (!this.#fits(sizeOf(request), request.isEnd)) if (!makeRoom(FULL)) return FULL;
    const nowMs = clock.nowMs();
    let error = queue().add(request, nowMs);
    while (error !== undefined && makeRoom(error)) error = queue().add(request, nowMs);
    return error;
  }

  #fits(request: QueueSize, isEnd = false): boolean {
    const { enabled, queue_size, sizer, block_on_overflow } = this.#options.config;
    const { size } = this.#options.queue();
    // With block_on_overflow the source was asked to make none; one that was under way already is not lost for that.
    // A request may pass the usual size where one metric is very large; an empty queue takes it all the same.
    if (!enabled || block_on_overflow || size.requests === 0) return true;
    return plus(size, request)[sizer] <= (isEnd ? queue_size * (1 + ENDS_SHARE) : queue_size);
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
