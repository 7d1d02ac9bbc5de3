// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import { type Answer, type Failure, underRules } from "../peer/answer.ts";
import { type Send, SendAttempt } from "./attempt.ts";
import type { CircuitBreaker, Generation } from "./circuit_breaker.ts";
import { type PendingRequest, sizeOfAll } from "./queue.ts";
import type { DeliveryReport, DropReason } from "./report.ts";
import type { RetryConfig } from "./retry_config.ts";
import type { SizeFinding } from "./size_limit.ts";

export interface SenderOptions {
  readonly clock: Clock;
  /** The deadline of one attempt, in milliseconds; 0 for none. */
  readonly timeoutMs: number;
  readonly retry: RetryConfig;
  /** Whether the queue is on disk. If it is, `max_elapsed_time` drops no request. */
  isPersistent(): boolean;
  readonly breaker: CircuitBreaker;
  readonly report: DeliveryReport;
  readonly send: Send;
  /** Makes requests wait in the queue again. */
  requeue(requests: readonly PendingRequest[]): void;
  /** Removes requests from the queue that have been delivered or dropped. */
  acknowledge(requests: readonly PendingRequest[]): void;
  /** Called when the peer found a batch too large, and accepted a part of it. */
  onTooLarge(finding: SizeFinding): void;
}

/** The state of a batch that is being sent, maybe in several parts. */
interface Progress {
  /** The parts that are not sent yet, in their order. */
  readonly parts: (readonly PendingRequest[])[];
  /** Whether the batch was cut into parts that are sent one by one. */
  isCut: boolean;
  /** Whether the peer said that the batch, or a part of it, is too large. */
  isTooLarge: boolean;
  /** Whether a request was dropped because of the peer's answer to it. */
  hasDropped: boolean;
  /** The size in bytes of the largest part that the peer accepted; 0 if it accepted none. */
  passedBytes: number;
  /** The size in bytes of the smallest part that was cut; infinite if none was. */
  refusedBytes: number;
}

/** The first failure of a request, from which `max_elapsed_time` is measured. */
interface FirstAttempt {
  readonly atMs: number;
  /** The `excludedMs` of the breaker at the time `atMs`. */
  readonly excludedMs: number;
}

/**
 * Sends batches and acts on the answers, by their kinds:
 *
 * - "delivered": acknowledges the requests.
 * - "busy", "hold": requeues the requests and opens the circuit breaker. After "busy", it drops a request in memory
 *   that has been tried for longer than `max_elapsed_time`.
 * - "split": halves the batch and sends the halves, down to single requests. Drops a single request that is refused.
 * - "drop": drops the requests.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #attempts = new Set<SendAttempt>();
  readonly #firstAttempts = new WeakMap<PendingRequest, FirstAttempt>();
  /** Becomes false after a batch of which requests were dropped and none delivered, and true at the next delivery. */
  #hasDelivered = true;
  #state: "open" | "draining" | "closed" = "open";

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Begins the shutdown: from now on a request whose attempt fails is not tried again. */
  drain(): void {
    this.#state = "draining";
  }

  /** Breaks off the attempts that are under way. Their requests are neither acknowledged nor requeued. */
  close(): void {
    this.#state = "closed";
    for (const attempt of this.#attempts) attempt.breakOff();
  }

  /**
   * Sends the requests as one, or in parts if the peer refuses them. Requeues those that the peer cannot accept now.
   * Never rejects.
   */
  async send(requests: readonly PendingRequest[]): Promise<void> {
    const { breaker, requeue } = this.#options;
    const progress: Progress = {
      parts: [requests],
      isCut: false,
      isTooLarge: false,
      hasDropped: false,
      passedBytes: 0,
      refusedBytes: Number.POSITIVE_INFINITY,
    };
    for (let part = progress.parts.shift(); part !== undefined; part = progress.parts.shift()) {
      // Another batch may have failed since the last part was sent. Then the rest of this batch waits too.
      if (progress.isCut && breaker.allowed(1) === 0) {
        requeue([...part, ...progress.parts.flat()]);
        return;
      }
      const { generation } = breaker;
      const answer = await this.#attempt(part);
      if (this.#isClosed()) return;
      if (answer.kind === "delivered") this.#delivered(part, answer);
      if (answer.kind === "busy" || answer.kind === "hold") {
        this.#fail(part, answer, generation);
        requeue(progress.parts.splice(0).flat());
        return;
      }
      breaker.answered(generation);
      this.#advance(progress, part, answer);
    }
    if (progress.isTooLarge && progress.passedBytes > 0) this.#options.onTooLarge(progress);
    if (progress.hasDropped && progress.passedBytes === 0) this.#slowDown();
  }

  /** Notes that the peer refused all of a batch. Pauses at the second in a row: the exporter may be at fault. */
  #slowDown(): void {
    const { breaker, retry } = this.#options;
    if (!this.#hasDelivered && retry.enabled)
      breaker.failed(breaker.generation, { askedMs: undefined, isExcluded: false });
    this.#hasDelivered = false;
  }

  /** Acts on an answer about this part alone: notes its size, cuts it, or drops it. */
  #advance(progress: Progress, part: readonly PendingRequest[], answer: Answer): void {
    if (answer.kind === "delivered") {
      progress.passedBytes = Math.max(progress.passedBytes, sizeOfAll(part).bytes);
      if (!progress.isTooLarge || progress.parts.length === 0) return;
      // The peer accepts this size. The other parts are requeued, so that the batcher makes batches of this size.
      progress.isCut = false;
      this.#options.requeue(progress.parts.splice(0).flat());
    } else if (answer.kind === "split" && part.length > 1) {
      progress.isCut = true;
      progress.refusedBytes = Math.min(progress.refusedBytes, sizeOfAll(part).bytes);
      progress.isTooLarge ||= answer.isTooLarge === true;
      progress.parts.unshift(...halves(part));
    } else {
      progress.hasDropped = true;
      const error = `not retryable error: ${answer.error}`;
      this.#drop(part, "permanent", { ...answer, error });
      this.#options.report.refused(error);
    }
  }

  /** Acts on an answer by which the peer accepts no requests now: "busy" or "hold". */
  #fail(part: readonly PendingRequest[], answer: Failure, generation: Generation): void {
    const { clock, breaker, retry, requeue, report } = this.#options;
    const isPersistent = this.#options.isPersistent();
    if (this.#state === "draining") {
      breaker.failed(generation, { askedMs: answer.delayMs, isExcluded: false });
      // Requests on disk are sent after the next start.
      if (isPersistent) requeue(part);
      else this.#drop(part, "shutdown", { ...answer, error: `no time for another attempt: ${answer.error}` });
      return;
    }
    if (!retry.enabled) {
      report.failed(answer);
      if (answer.delayMs !== undefined)
        breaker.failed(generation, { askedMs: answer.delayMs, isExcluded: true });
      this.#drop(part, "retries_exhausted", { ...answer, error: `retries are off: ${answer.error}` });
      return;
    }
    for (const request of part) this.#noteAttempt(request, answer);
    const waitMs = breaker.failed(generation, {
      askedMs: answer.delayMs,
      isExcluded: answer.kind === "hold",
    });
    report.failed(answer, waitMs);
    const mayDrop = !isPersistent && answer.kind !== "hold";
    const isExhausted = (request: PendingRequest): boolean =>
      mayDrop && this.#triedMs(request, clock.monotonicMs() + waitMs) > this.#triedMaxMs;
    const exhausted = part.filter(isExhausted);
    if (exhausted.length > 0)
      this.#drop(exhausted, "retries_exhausted", {
        ...answer,
        error: `no more retries left: ${answer.error}`,
      });
    requeue(part.filter((request) => !exhausted.includes(request)));
  }

  get #triedMaxMs(): number {
    const { maxElapsedMs } = this.#options.retry;
    return maxElapsedMs === 0 ? Number.POSITIVE_INFINITY : maxElapsedMs;
  }

  #noteAttempt(request: PendingRequest, { kind }: Failure): void {
    // An answer that the address or credentials are wrong says nothing about the request: `max_elapsed_time` restarts.
    if (this.#firstAttempts.has(request) && kind !== "hold") return;
    const { clock, breaker } = this.#options;
    const atMs = clock.monotonicMs();
    this.#firstAttempts.set(request, { atMs, excludedMs: breaker.excludedMs(atMs) });
  }

  /** How long the request will have been tried at `untilMs`, without pauses that `max_elapsed_time` does not count. */
  #triedMs(request: PendingRequest, untilMs: number): number {
    const { atMs, excludedMs } = this.#firstAttempts.get(request) ?? { atMs: untilMs, excludedMs: 0 };
    return untilMs - atMs - (this.#options.breaker.excludedMs(untilMs) - excludedMs);
  }

  #delivered(part: readonly PendingRequest[], answer: Answer & { readonly kind: "delivered" }): void {
    this.#hasDelivered = true;
    const { report } = this.#options;
    const { items } = sizeOfAll(part);
    // A faulty peer may report more rejected points than the part has.
    const rejected = Math.min(answer.rejectedPoints, items);
    report.sent(items - rejected);
    const error = answer.message;
    if (rejected > 0)
      report.dropped(rejected, { reason: "partial_success", errorType: "partial_success", error });
    else if (error !== "") report.warned(error);
    if (rejected > 0 && rejected === items) report.refused(`the receiver rejects everything: ${error}`);
    else report.succeeded();
    this.#options.acknowledge(part);
  }

  #drop(part: readonly PendingRequest[], reason: DropReason, { status, error }: Failure): void {
    const { report, acknowledge } = this.#options;
    const { items, requests } = sizeOfAll(part);
    report.dropped(items, { reason, errorType: status, error }, requests);
    acknowledge(part);
  }

  async #attempt(part: readonly PendingRequest[]): Promise<Answer> {
    const { clock, timeoutMs, retry, send } = this.#options;
    const { items: points, bytes } = sizeOfAll(part);
    const batch = { parts: part.map((request) => request.bytes), points, bytes };
    const attempt = new SendAttempt(clock);
    this.#attempts.add(attempt);
    const answer = await attempt.make(send, batch, timeoutMs);
    this.#attempts.delete(attempt);
    return answer.kind === "delivered" ? answer : underRules(answer, retry.rules);
  }

  #isClosed(): boolean {
    return this.#state === "closed";
  }
}

/** Cuts a part of at least two requests into two of about the same number of bytes, each with at least one request. */
function halves(part: readonly PendingRequest[]): [readonly PendingRequest[], readonly PendingRequest[]] {
  const half = sizeOfAll(part).bytes / 2;
  let bytes = 0;
  let at = 0;
  while (at < part.length - 1 && (at === 0 || bytes < half)) bytes += part[at++]?.bytes.length ?? 0;
  return [part.slice(0, at), part.slice(at)];
}
