import type { Settings } from "../component/component.ts";
import { Backoff } from "./backoff.ts";
import type { QueueConfig, RetryConfig } from "./config.ts";
import { type DeliveryReport, type LossReason, reportDeliveries } from "./report.ts";

/** An encoded request on its way to a receiver. */
export interface Outgoing {
  readonly bytes: Uint8Array;
  /** Data points in it. */
  readonly points: number;
}

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
  readonly settings: Settings;
  readonly config: DeliveryConfig;
  readonly send: Send;
  /** Numbers from 0 to 1 for the jitter. */
  readonly random: () => number;
}

/**
 * Brings requests to a receiver: a queue in memory, several senders, retries. What `offer` accepts is delivered, or
 * counted and logged as lost under a reason.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #report: DeliveryReport;
  readonly #waiting: Outgoing[] = [];
  readonly #inFlight = new Set<Outgoing>();
  readonly #attempts = new Set<AbortController>();
  readonly #pauses = new Set<() => void>();
  #bytes = 0;
  #state: "open" | "draining" | "closed" = "open";
  #whenIdle: (() => void) | undefined;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    const { enabled, queue_size } = options.config.sending_queue;
    this.#report = reportDeliveries(options.settings, () => ({
      bytes: this.#bytes,
      capacityBytes: enabled ? queue_size : 0,
      inFlight: this.#inFlight.size,
    }));
  }

  /** False when there is no room: the points are then counted as refused, and the newest are the ones that go. */
  offer(request: Outgoing): boolean {
    const fault = this.#refusal(request);
    if (fault !== undefined) {
      this.#report.refused(request.points, fault);
      return false;
    }
    this.#bytes += request.bytes.length;
    this.#waiting.push(request);
    this.#startSenders();
    return true;
  }

  /** Sends what is held, each request with one last attempt, until the deadline aborts; what is left then is lost. */
  async shutdown(deadline: AbortSignal): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "draining";
    for (const wake of this.#pauses) wake();
    if (this.#inFlight.size > 0 && !deadline.aborted) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
        deadline.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    this.#state = "closed";
    for (const attempt of this.#attempts) attempt.abort();
    const error = "the agent stopped before the request was delivered";
    for (const request of [...this.#inFlight, ...this.#waiting]) {
      this.#report.lost(request.points, { reason: "shutdown", errorType: "shutdown", error });
    }
    this.#inFlight.clear();
    this.#waiting.length = 0;
    this.#report.close();
  }

  #refusal({ bytes }: Outgoing): string | undefined {
    const { enabled, queue_size, num_consumers } = this.#options.config.sending_queue;
    if (this.#state !== "open") return "the exporter is shutting down";
    if (!enabled) {
      return this.#inFlight.size < num_consumers ? undefined : "all senders are busy; enable sending_queue";
    }
    // A request may pass the usual size where one metric is very large; an empty queue takes it all the same.
    const fits = this.#bytes === 0 || this.#bytes + bytes.length <= queue_size;
    return fits ? undefined : "sending queue is full";
  }

  #startSenders(): void {
    const { num_consumers } = this.#options.config.sending_queue;
    while (this.#inFlight.size < num_consumers) {
      const request = this.#waiting.shift();
      if (request === undefined) break;
      this.#inFlight.add(request);
      void this.#deliver(request).then(() => this.#finish(request));
    }
  }

  #finish(request: Outgoing): void {
    if (!this.#inFlight.delete(request)) return;
    this.#bytes -= request.bytes.length;
    this.#startSenders();
    if (this.#inFlight.size === 0) this.#whenIdle?.();
  }

  async #deliver(request: Outgoing): Promise<void> {
    const { clock } = this.#options.settings;
    const { retry_on_failure: retry } = this.#options.config;
    const backoff = new Backoff(retry, this.#options.random, clock.monotonicMs());
    for (;;) {
      const outcome = await this.#attempt(request);
      // Whoever closed has counted this request already.
      if (this.#state === "closed") return;
      if (outcome.kind === "delivered") return this.#delivered(request, outcome);
      const lose = (reason: LossReason, why: string): void => {
        const { errorType, error } = outcome;
        this.#report.lost(request.points, { reason, errorType, error: `${why}: ${error}` });
      };
      if (outcome.kind === "permanent") return lose("permanent", "not retryable error");
      if (this.#state === "draining") return lose("shutdown", "no time for another attempt");
      const waitMs = retry.enabled ? backoff.next(clock.monotonicMs(), outcome.delayMs) : undefined;
      if (waitMs === undefined) return lose("retries_exhausted", "no more retries left");
      this.#report.retrying(request.points, { error: outcome.error, intervalMs: waitMs });
      await this.#pause(waitMs);
    }
  }

  #delivered({ points }: Outgoing, outcome: SendOutcome & { readonly kind: "delivered" }): void {
    // The count comes from the receiver, which may be wrong.
    const rejected = Math.min(outcome.rejectedPoints, points);
    this.#report.sent(points - rejected);
    const error = outcome.message;
    if (rejected > 0) {
      this.#report.lost(rejected, { reason: "partial_success", errorType: "partial_success", error });
    } else if (error !== "") this.#report.warned(error);
  }

  async #attempt({ bytes, points }: Outgoing): Promise<SendOutcome> {
    const { config, settings, send } = this.#options;
    const attempt = new AbortController();
    this.#attempts.add(attempt);
    const cancel = settings.clock.after(config.timeout, () => attempt.abort());
    attempt.signal.addEventListener("abort", cancel, { once: true });
    try {
      return await send(bytes, points, attempt.signal);
    } catch (error) {
      // A sender that rejects breaks its contract; the request must still be accounted for.
      return { kind: "permanent", errorType: "internal", error: `BUG: ${String(error)}` };
    } finally {
      cancel();
      this.#attempts.delete(attempt);
    }
  }

  /** Shorter when a shutdown begins. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.#pauses.delete(wake);
        resolve();
      };
      const cancel = this.#options.settings.clock.after(ms, wake);
      this.#pauses.add(wake);
    });
  }
}
