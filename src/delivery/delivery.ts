import type { Settings } from "../component/component.ts";
import { Backoff } from "./backoff.ts";
import type { QueueConfig, RetryConfig } from "./config.ts";
import { MemoryQueue } from "./memory_queue.ts";
import { type Outgoing, type RequestQueue, sizeOf, type Taken } from "./queue.ts";
import { type DeliveryReport, type Loss, reportDeliveries } from "./report.ts";

/** What became of one attempt. `errorType` is a metric's attribute, so it must have few values. */
export type SendOutcome =
  | { readonly kind: "delivered"; readonly rejectedPoints: number; readonly message: string }
  | {
      readonly kind: "retryable";
      readonly errorType: string;
      readonly error: string;
      /** What the receiver asked for; 0 where it did not. */
      readonly delayMs: number;
    }
  | { readonly kind: "permanent"; readonly errorType: string; readonly error: string };

/** Makes one attempt. Never rejects, and resolves soon after `signal` aborts. */
export type Send = (bytes: Uint8Array, points: number, signal: AbortSignal) => Promise<SendOutcome>;

export interface DeliveryConfig {
  readonly timeout: number;
  readonly retry_on_failure: RetryConfig;
  readonly sending_queue: QueueConfig;
}

export interface DeliveryOptions {
  /** The exporter's type: whatever older name of it the id has, the queue on disk is the same. */
  readonly type: string;
  readonly settings: Settings;
  readonly config: DeliveryConfig;
  readonly send: Send;
  /** Numbers from 0 to 1 for the jitter. */
  readonly random: () => number;
}

const ONE_REQUEST = { requests: 1 };
/** Each says that a sandbox has ended: more than a node has of them while a receiver is away for long. */
const INSISTED_MAX = 1_024;

/**
 * Brings requests to a receiver: a queue, in memory or on disk, batches, several senders, retries. What `offer` accepts
 * is delivered, or kept on disk, or counted and logged as lost under a reason.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #report: DeliveryReport;
  #queue: RequestQueue = new MemoryQueue();
  readonly #inFlight = new Set<Taken>();
  readonly #attempts = new Set<AbortController>();
  /** What waits for another attempt, and what ends the wait. */
  readonly #pauses = new Map<Taken, () => void>();
  /** What was given up while it waited for another attempt. */
  readonly #givenUp = new Set<Taken>();
  /** Found no room, and goes in front of whatever is offered later. */
  readonly #insisted: Outgoing[] = [];
  /** Requests that have waited for `flush_timeout`, and go out however few they are. */
  #due = 0;
  #cancelFlush: (() => void) | undefined;
  /** With `wait_for_result`: how many requests of a source are here. */
  readonly #awaited = new Map<string, number>();
  /** Whether it is known how the receiver fares: until then nobody may rely on it. */
  #isProven = false;
  /** Why the last request was refused. */
  #refusal = "";
  #state: "open" | "draining" | "closed" = "open";
  #whenIdle: (() => void) | undefined;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    const { enabled, queue_size, sizer } = options.config.sending_queue;
    this.#report = reportDeliveries(options.settings, () => ({
      size: this.#queue.size[sizer],
      capacity: enabled ? queue_size : 0,
      inFlight: this.#inFlight.size,
    }));
  }

  /** Opens the storage, where there is one, and goes on with what is in it. Rejects where that cannot be. */
  start(): Promise<void> {
    const { settings, config } = this.#options;
    const { storage } = config.sending_queue;
    if (storage === undefined) return Promise.resolve();
    const offered = new Map(settings.host.storages.all()).get(storage);
    if (offered === undefined)
      return Promise.reject(new Error(`sending_queue::storage: "${storage}" is not in service::extensions`));
    try {
      const name = settings.id.replace(/^[^/]*/, this.#options.type);
      this.#queue = offered.openQueue(name, (lost, where) => {
        const error = `a record of ${where} cannot be read`;
        this.#report.lost(lost.items, { reason: "corrupt", errorType: "corrupt", error });
      });
    } catch (error) {
      return Promise.reject(error);
    }
    const { requests, bytes } = this.#queue.size;
    if (requests > 0) settings.logger.info({ requests, bytes }, "Going on with what is on disk.");
    this.#due = requests;
    this.#startSenders();
    return Promise.resolve();
  }

  /**
   * Whether nothing of this source should come for now. With `block_on_overflow`: something still waits for room, after
   * another try. With `wait_for_result`: it is not known yet what became of the last.
   */
  isBlocked(source: string): boolean {
    const { block_on_overflow, wait_for_result } = this.#options.config.sending_queue;
    if (wait_for_result && this.#awaited.has(source)) return true;
    return block_on_overflow && this.#placeInsisted() !== undefined;
  }

  /**
   * False when there is no room: whoever offers may come again, or say with `miss` that it will not. With
   * `block_on_overflow` the first one to find none waits aside, and for as long as it does, nothing is taken.
   */
  offer(request: Outgoing): boolean {
    const waiting = this.#placeInsisted();
    const fault = waiting ?? this.#add(request);
    if (fault !== undefined) {
      this.#refusal = fault;
      const blocks = this.#options.config.sending_queue.block_on_overflow && this.#state === "open";
      if (!blocks) this.#report.refused(request.points, fault);
      if (!blocks || waiting !== undefined) return false;
      this.#insisted.push(request);
      this.#await(request);
      return true;
    }
    const { host, id } = this.#options.settings;
    if (!this.#isProven) host.statuses.report("exporter", id, "starting");
    this.#await(request);
    this.#startSenders();
    return true;
  }

  #await({ source }: Outgoing): void {
    if (source === undefined || !this.#options.config.sending_queue.wait_for_result) return;
    this.#awaited.set(source, (this.#awaited.get(source) ?? 0) + 1);
  }

  #settle(taken: Taken): void {
    this.#queue.settle(taken);
    for (const source of taken.sources) this.#answer(source);
  }

  #answer(source: string): void {
    const left = (this.#awaited.get(source) ?? 0) - 1;
    if (left > 0) this.#awaited.set(source, left);
    else this.#awaited.delete(source);
  }

  /** So many points of what was refused just now are lost to this destination. */
  miss(points: number): void {
    this.#report.missed(points, this.#refusal);
  }

  /** As `offer`, for what nobody would offer again: it waits here until there is room. */
  insist(request: Outgoing): void {
    this.#insisted.push(request);
    if (this.#placeInsisted() === undefined) this.#startSenders();
    if (this.#insisted.length <= INSISTED_MAX) return;
    const { points = 0, source } = this.#insisted.shift() ?? {};
    if (source !== undefined) this.#answer(source);
    this.#report.lost(points, { reason: "overflow", errorType: "overflow", error: "sending queue is full" });
  }

  /** Why some of it still waits; undefined where none does. */
  #placeInsisted(): string | undefined {
    for (let next = this.#insisted[0]; next !== undefined; next = this.#insisted[0]) {
      const fault = this.#add(next);
      if (fault !== undefined) return fault;
      this.#insisted.shift();
    }
    return undefined;
  }

  /**
   * What is on its way gets one last attempt, until the deadline aborts. Then what is in memory is sent likewise, and
   * lost if that fails; what is on disk stays there.
   */
  async shutdown(deadline: AbortSignal): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "draining";
    for (const request of this.#insisted.splice(0)) {
      // Not much, so it may go beyond the queue's size; a disk may still be full.
      const error = this.#queue.add(request, this.#options.settings.clock.nowMs());
      const loss = { reason: "shutdown", errorType: "shutdown" } as const;
      if (error !== undefined) this.#report.lost(request.points, { ...loss, error });
    }
    this.#cancelFlush?.();
    if (!this.#isKept) {
      this.#due = this.#queue.waiting.requests;
      this.#startSenders();
    }
    for (const wake of this.#pauses.values()) wake();
    if (this.#inFlight.size > 0 && !deadline.aborted) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
        deadline.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    this.#state = "closed";
    for (const attempt of this.#attempts) attempt.abort();
    this.#leave();
    await this.#queue.close();
    this.#report.close();
  }

  get #isKept(): boolean {
    return this.#options.config.sending_queue.storage !== undefined;
  }

  /** Accounts for what is still there when the delivery ends. */
  #leave(): void {
    const { size } = this.#queue;
    if (size.requests === 0) return;
    const { requests, items } = size;
    if (this.#isKept) {
      this.#options.settings.logger.info({ requests, items }, "What was not delivered stays on disk.");
      return;
    }
    const error = "the agent stopped before the request was delivered";
    this.#report.lost(items, { reason: "shutdown", errorType: "shutdown", error }, requests);
  }

  /** Why the request is refused; undefined where it was taken. */
  #add(request: Outgoing): string | undefined {
    const { enabled, queue_size, sizer, num_consumers, overflow } = this.#options.config.sending_queue;
    if (this.#state !== "open") return "the exporter is shutting down";
    if (!enabled && this.#inFlight.size >= num_consumers) return "all senders are busy; enable sending_queue";
    this.#dropExpired();
    const size = sizeOf(request);
    // A request may pass the usual size where one metric is very large; an empty queue takes it all the same.
    const fits = (): boolean =>
      this.#queue.size.requests === 0 || this.#queue.size[sizer] + size[sizer] <= queue_size;
    const mayDrop = overflow === "drop_oldest";
    while (!fits()) if (!mayDrop || !this.#dropOldest("overflow", "sending queue is full")) break;
    if (!fits()) return "sending queue is full";
    const nowMs = this.#options.settings.clock.nowMs();
    let fault = this.#queue.add(request, nowMs);
    while (fault !== undefined && mayDrop && this.#dropOldest("overflow", fault))
      fault = this.#queue.add(request, nowMs);
    if (!enabled && fault === undefined) this.#due++;
    return fault;
  }

  /** Gives up the oldest that waits, for another attempt or for its first; false where none does. */
  #dropOldest(reason: Loss["reason"], error: string): boolean {
    const [retried] = [...this.#pauses.keys()].sort((one, other) => one.latestMs - other.latestMs);
    if (retried === undefined) return this.#dropOldestWaiting(reason, error);
    this.#giveUp(retried, reason, error);
    return true;
  }

  #giveUp(taken: Taken, reason: Loss["reason"], error: string): void {
    this.#report.lost(taken.size.items, { reason, errorType: reason, error });
    this.#settle(taken);
    this.#givenUp.add(taken);
    this.#pauses.get(taken)?.();
  }

  #dropOldestWaiting(reason: Loss["reason"], error: string): boolean {
    const oldest = this.#queue.take(ONE_REQUEST);
    if (oldest === undefined) return false;
    this.#report.lost(oldest.size.items, { reason, errorType: reason, error });
    this.#settle(oldest);
    this.#due = Math.max(0, this.#due - 1);
    return true;
  }

  #dropExpired(): void {
    const { max_age } = this.#options.config.sending_queue;
    if (max_age === 0) return;
    const oldestMs = this.#options.settings.clock.nowMs() - max_age;
    const error = "the request waited longer than max_age";
    for (const taken of this.#pauses.keys())
      if (taken.latestMs < oldestMs) this.#giveUp(taken, "max_age", error);
    while ((this.#queue.oldestMs ?? Number.POSITIVE_INFINITY) < oldestMs)
      this.#dropOldestWaiting("max_age", error);
  }

  #startSenders(): void {
    const { num_consumers, batch } = this.#options.config.sending_queue;
    const limit = {
      bytes: batch.max_size,
      ...(batch.max_items === undefined ? {} : { items: batch.max_items }),
    };
    while (this.#inFlight.size < num_consumers && (this.#due > 0 || this.#isBatchFull())) {
      this.#dropExpired();
      const taken = this.#queue.take(limit);
      if (taken === undefined) {
        this.#due = 0;
        break;
      }
      this.#due = Math.max(0, this.#due - taken.size.requests);
      this.#inFlight.add(taken);
      void this.#deliver(taken).then(() => this.#finish(taken));
    }
    this.#flushLater();
  }

  #isBatchFull(): boolean {
    const { waiting } = this.#queue;
    const { bytes = Number.POSITIVE_INFINITY, items = Number.POSITIVE_INFINITY } =
      this.#options.config.sending_queue.batch.min;
    return waiting.requests > 0 && (waiting.bytes >= bytes || waiting.items >= items);
  }

  #flushLater(): void {
    if (this.#cancelFlush !== undefined || this.#state !== "open") return;
    if (this.#queue.waiting.requests <= this.#due) return;
    const { flush_timeout } = this.#options.config.sending_queue.batch;
    this.#cancelFlush = this.#options.settings.clock.after(flush_timeout, () => {
      this.#cancelFlush = undefined;
      this.#due = this.#queue.waiting.requests;
      this.#startSenders();
    });
  }

  #finish(taken: Taken): void {
    this.#inFlight.delete(taken);
    if (this.#state === "closed") return;
    if (this.#state === "open") this.#placeInsisted();
    if (this.#state === "open" || !this.#isKept) this.#startSenders();
    if (this.#inFlight.size === 0) this.#whenIdle?.();
  }

  async #deliver(taken: Taken): Promise<void> {
    const { clock } = this.#options.settings;
    const { retry_on_failure: retry } = this.#options.config;
    const points = taken.size.items;
    const backoff = new Backoff(retry, this.#options.random, clock.monotonicMs());
    for (;;) {
      const outcome = await this.#attempt(taken);
      // Whoever closed has accounted for this request already.
      if (this.#state === "closed") return;
      this.#reportStatus(outcome, points);
      if (outcome.kind === "delivered") {
        this.#delivered(points, outcome);
        return this.#settle(taken);
      }
      const lose = (reason: Loss["reason"], why: string): void => {
        const { errorType, error } = outcome;
        this.#report.lost(points, { reason, errorType, error: `${why}: ${error}` });
        this.#settle(taken);
      };
      if (outcome.kind === "permanent") return lose("permanent", "not retryable error");
      if (this.#state === "draining") {
        // What is on disk comes again with the next start.
        if (!this.#isKept) lose("shutdown", "no time for another attempt");
        return;
      }
      let waitMs = retry.enabled ? backoff.next(clock.monotonicMs(), outcome.delayMs) : undefined;
      // Nobody asked for what is on disk to be deleted: max_age does that.
      if (waitMs === undefined && this.#isKept) waitMs = Math.max(retry.max_interval, outcome.delayMs);
      if (waitMs === undefined) return lose("retries_exhausted", "no more retries left");
      this.#report.retrying(points, { error: outcome.error, intervalMs: waitMs });
      await this.#pause(taken, waitMs);
      if (this.#givenUp.delete(taken) || this.#hasEnded()) return;
    }
  }

  /** A receiver that refuses one request for good may take the next. */
  #reportStatus(outcome: SendOutcome, points: number): void {
    const { host, id } = this.#options.settings;
    this.#isProven = true;
    if (outcome.kind !== "delivered")
      host.statuses.report("exporter", id, "recoverable_error", outcome.error);
    else if (outcome.rejectedPoints >= points && points > 0)
      host.statuses.report(
        "exporter",
        id,
        "recoverable_error",
        `the receiver rejects everything: ${outcome.message}`,
      );
    else host.statuses.report("exporter", id, "ok");
  }

  #hasEnded(): boolean {
    return this.#state === "closed";
  }

  #delivered(points: number, outcome: SendOutcome & { readonly kind: "delivered" }): void {
    // The count comes from the receiver, which may be wrong.
    const rejected = Math.min(outcome.rejectedPoints, points);
    this.#report.sent(points - rejected);
    const error = outcome.message;
    if (rejected > 0) {
      this.#report.lost(rejected, { reason: "partial_success", errorType: "partial_success", error });
    } else if (error !== "") this.#report.warned(error);
  }

  async #attempt({ bytes, size }: Taken): Promise<SendOutcome> {
    const { config, settings, send } = this.#options;
    const attempt = new AbortController();
    this.#attempts.add(attempt);
    const { timeout } = config;
    const cancel = timeout > 0 ? settings.clock.after(timeout, () => attempt.abort()) : () => {};
    attempt.signal.addEventListener("abort", cancel, { once: true });
    try {
      return await send(bytes, size.items, attempt.signal);
    } catch (error) {
      // A sender that rejects breaks its contract; the request must still be accounted for.
      return { kind: "permanent", errorType: "internal", error: `BUG: ${String(error)}` };
    } finally {
      cancel();
      this.#attempts.delete(attempt);
    }
  }

  /** Shorter when a shutdown begins. */
  #pause(taken: Taken, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.#pauses.delete(taken);
        resolve();
      };
      const cancel = this.#options.settings.clock.after(ms, wake);
      this.#pauses.set(taken, wake);
    });
  }
}
