// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import type { NoRoom } from "../component/consumer.ts";
import type { QueueConfig } from "./config.ts";
import {
  type EncodedRequest,
  type PendingRequest,
  plus,
  type QueueSize,
  type RequestQueue,
  sizeOf,
  sizeOfAll,
  ZERO_SIZE,
} from "./queue.ts";
import { QueueReadiness } from "./queue_readiness.ts";
import type { DeliveryReport, DropReason } from "./report.ts";

/** A request that ends a resource may exceed `queue_size` by this share, since it is made only once. */
const ENDS_SHARE = 0.25;
const ONE_REQUEST = { requests: 1 };
const FULL = "sending queue is full";
const NO_SPACE = "its storage has no space";
/** The most expired requests that one call drops: to drop one from a disk queue takes about 0.1 ms. */
const EXPIRED_MAX = 256;

export interface IntakeOptions {
  readonly clock: Clock;
  readonly config: QueueConfig;
  readonly report: DeliveryReport;
  /** Makes the agent report that it is not ready, for the reason, until the returned function is called. */
  holdReadiness(reason: string): () => void;
  /** Returns the current queue. At the start a queue on disk may replace the first one, which is in memory. */
  queue(): RequestQueue;
}

/**
 * Adds requests to the queue and keeps the queue within `queue_size`. A full queue rejects the new request, or drops
 * its oldest ones if `overflow` is `drop_oldest`. The intake counts and logs each request that is lost by this.
 */
export class Intake {
  readonly #options: IntakeOptions;
  /** With `wait_for_result`, by the key of each resource: how many of its requests are in the queue or being sent. */
  readonly #pending = new Map<string, number>();
  readonly #readiness: QueueReadiness;
  /** The size of the last request that did not fit. While the queue has less space than this, it has no room. */
  #rejected: QueueSize = ZERO_SIZE;
  #isClosed = false;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#readiness = new QueueReadiness({
      clock: options.clock,
      hold: (reason) => options.holdReadiness(reason),
      hasRoom: () => this.#hasRoom(),
    });
  }

  /** Makes the agent not ready if the queue has no room at the start, since a queue on disk may be full already. */
  open(): void {
    if (!this.#hasRoom()) this.#noteFull(this.#isFull() ? FULL : NO_SPACE);
  }

  /** From now on every request is rejected. */
  close(): void {
    this.#isClosed = true;
    this.#readiness.close();
  }

  /** Returns why the sandbox of this key must not be scraped now; undefined if it can be. */
  noRoom(source: string): NoRoom | undefined {
    const { waitForResult, blockOnOverflow } = this.#options.config;
    if (waitForResult && this.#pending.has(source)) return "result_pending";
    if (!blockOnOverflow || this.#hasRoom()) return undefined;
    this.#noteFull(this.#isFull() ? FULL : NO_SPACE);
    return "queue_full";
  }

  /** Adds the request to the queue. Returns true if the queue accepted it; false if it was counted as lost. */
  enqueue(request: EncodedRequest): boolean {
    const error = this.#add(request);
    if (error !== undefined) {
      this.#options.report.rejected(request.points, error);
      this.#noteFull(error, request);
      return false;
    }
    const { source } = request;
    if (source !== undefined && this.#options.config.waitForResult)
      this.#pending.set(source, (this.#pending.get(source) ?? 0) + 1);
    if (request.endPoints !== undefined) this.#options.report.ended(request.endPoints);
    return true;
  }

  /** Removes requests from the queue that have been delivered or dropped. */
  acknowledge(requests: readonly PendingRequest[]): void {
    this.#options.queue().acknowledge(requests);
    for (const { source } of requests) {
      if (source === undefined) continue;
      const left = (this.#pending.get(source) ?? 0) - 1;
      if (left > 0) this.#pending.set(source, left);
      else this.#pending.delete(source);
    }
  }

  /** Drops requests that have waited longer than `max_age`; at most `EXPIRED_MAX`, so that a call takes little time. */
  dropExpired(): void {
    const { clock, config, queue } = this.#options;
    if (config.maxAgeMs === 0) return;
    const expiredMs = clock.nowMs() - config.maxAgeMs;
    for (let count = 0; count < EXPIRED_MAX; count++) {
      if ((queue().oldestMs ?? Number.POSITIVE_INFINITY) >= expiredMs) return;
      this.#dropOldest("max_age", "the request waited longer than max_age");
    }
  }

  #isFull(): boolean {
    const { enabled, queueSize, sizer, numConsumers } = this.#options.config;
    const { size } = this.#options.queue();
    return enabled ? size[sizer] >= queueSize : size.requests >= numConsumers;
  }

  #hasRoom(): boolean {
    return !this.#isFull() && this.#options.queue().hasSpace && this.#fits(this.#rejected);
  }

  /** Makes the agent not ready. Does nothing if the queue is turned off: its user accepts that requests are lost. */
  #noteFull(error: string, request?: EncodedRequest): void {
    const { enabled, overflow } = this.#options.config;
    if (!enabled || this.#isClosed) return;
    this.#rejected = request === undefined ? ZERO_SIZE : sizeOf(request);
    const words = overflow === "drop_oldest" ? "loses its oldest readings" : "takes no readings";
    this.#readiness.noteFull(`its queue ${words}: ${error}`);
  }

  /** Adds the request; `overflow` may drop older ones for it. Returns undefined, or why it was not added. */
  #add(request: EncodedRequest): string | undefined {
    const { config, clock, queue } = this.#options;
    if (this.#isClosed) return "the exporter is shutting down";
    if (!config.enabled && this.#isFull()) return "all senders are busy; enable sending_queue";
    this.dropExpired();
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
    const { enabled, queueSize, sizer, blockOnOverflow } = this.#options.config;
    const { size } = this.#options.queue();
    // With block_on_overflow no scrape begins while the queue is full. Readings of earlier scrapes are still added.
    // One very large metric can make a request that exceeds queue_size. An empty queue accepts it nevertheless.
    if (!enabled || blockOnOverflow || size.requests === 0) return true;
    return plus(size, request)[sizer] <= (isEnd ? queueSize * (1 + ENDS_SHARE) : queueSize);
  }

  /** Drops the oldest waiting request. Returns false if none waits. */
  #dropOldest(reason: DropReason, error: string): boolean {
    const oldest = this.#options.queue().take(ONE_REQUEST);
    if (oldest.length === 0) return false;
    this.#options.report.dropped(sizeOfAll(oldest).items, { reason, errorType: reason, error });
    this.acknowledge(oldest);
    return true;
  }
}
