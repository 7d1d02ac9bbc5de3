// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import { type Answer, type Failure, underRules } from "../peer/answer.ts";
import { Attempt, type Send } from "./attempt.ts";
import type { Mark, Pace } from "./pace.ts";
import { type Queued, sizeOfAll } from "./queue.ts";
import type { DeliveryReport, LossReason } from "./report.ts";
import type { RetryConfig } from "./retry_config.ts";
import type { SizeFinding } from "./size_limit.ts";

export interface SenderOptions {
  readonly clock: Clock;
  /** Deadline of one attempt, in milliseconds; 0 for none. */
  readonly timeoutMs: number;
  readonly retry: RetryConfig;
  /** Whether the queue outlives the agent: then no request is given up for the time that it has been tried. */
  isKept(): boolean;
  readonly pace: Pace;
  readonly report: DeliveryReport;
  readonly send: Send;
  /** Lets requests wait again. */
  putBack(requests: readonly Queued[]): void;
  /** Forgets requests that have been delivered or lost. */
  settle(requests: readonly Queued[]): void;
  /** Hears what the peer takes after it has found a batch too large. */
  onTooLarge(finding: SizeFinding): void;
}

/** A batch on its way, which may have been cut. */
interface Journey {
  /** What has not been sent yet, in its order; the first is sent next. */
  readonly parts: (readonly Queued[])[];
  isCut: boolean;
  /** Whether the peer said that it is too large. */
  isTooLarge: boolean;
  /** Whether a part of it was dropped, alone: then that was what was wrong. */
  hasDropped: boolean;
  /** Bytes of the largest part that passed. */
  passedBytes: number;
  /** Bytes of the smallest part that was cut. */
  refusedBytes: number;
}

/** When a request was tried first: by the clock, and by the pauses that do not count. */
interface FirstTry {
  readonly atMs: number;
  readonly excusedMs: number;
}

/** Brings batches to the peer: attempts with a deadline, and what the answers mean for the requests in them. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #attempts = new Set<Attempt>();
  readonly #firstTries = new WeakMap<Queued, FirstTry>();
  /** Whether anything was delivered since a batch of which nothing passed. */
  #hasPassed = true;
  #state: "open" | "ending" | "closed" = "open";

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** From now on each request gets one more attempt. */
  end(): void {
    this.#state = "ending";
  }

  /** Breaks off what is on its way; nothing is done about it any more. */
  close(): void {
    this.#state = "closed";
    for (const attempt of this.#attempts) attempt.breakOff();
  }

  /** Sends the requests as one, in parts where the peer wants that. What cannot be sent now is put back into the queue. */
  async bring(requests: readonly Queued[]): Promise<void> {
    const { pace, putBack } = this.#options;
    const journey: Journey = {
      parts: [requests],
      isCut: false,
      isTooLarge: false,
      hasDropped: false,
      passedBytes: 0,
      refusedBytes: Number.POSITIVE_INFINITY,
    };
    for (let part = journey.parts.shift(); part !== undefined; part = journey.parts.shift()) {
      // Another batch may have met with trouble meanwhile.
      if (journey.isCut && pace.room(1) === 0) {
        putBack([...part, ...journey.parts.flat()]);
        return;
      }
      const { mark } = pace;
      const answer = await this.#attempt(part);
      if (this.#isClosed()) return;
      if (answer.kind === "delivered") this.#delivered(part, answer);
      if (answer.kind === "busy" || answer.kind === "hold") {
        this.#fail(part, answer, mark);
        putBack(journey.parts.splice(0).flat());
        return;
      }
      pace.answered(mark);
      this.#advance(journey, part, answer);
    }
    if (journey.isTooLarge && journey.passedBytes > 0) this.#options.onTooLarge(journey);
    if (journey.hasDropped && journey.passedBytes === 0) this.#slowDown();
  }

  /** Where nothing passes any more, it may be the exporter that is wrong: the next batch does not follow at once. */
  #slowDown(): void {
    const { pace, retry } = this.#options;
    if (!this.#hasPassed && retry.enabled) pace.failed(pace.mark, { askedMs: undefined, isExcused: false });
    this.#hasPassed = false;
  }

  /** Goes on with the journey after an answer that was about this part alone. */
  #advance(journey: Journey, part: readonly Queued[], answer: Answer): void {
    if (answer.kind === "delivered") {
      journey.passedBytes = Math.max(journey.passedBytes, sizeOfAll(part).bytes);
      if (!journey.isTooLarge || journey.parts.length === 0) return;
      // The size is known now: what is left goes out in batches of it.
      journey.isCut = false;
      this.#options.putBack(journey.parts.splice(0).flat());
    } else if (answer.kind === "split" && part.length > 1) {
      journey.isCut = true;
      journey.refusedBytes = Math.min(journey.refusedBytes, sizeOfAll(part).bytes);
      journey.isTooLarge ||= answer.isTooLarge === true;
      journey.parts.unshift(...halves(part));
    } else {
      journey.hasDropped = true;
      const error = `not retryable error: ${answer.error}`;
      this.#lose(part, "permanent", { ...answer, error });
      this.#options.report.refused(error);
    }
  }

  /** The peer takes nothing now: what may be tried again waits in the queue. */
  #fail(part: readonly Queued[], answer: Failure, mark: Mark): void {
    const { clock, pace, retry, putBack, report } = this.#options;
    const isKept = this.#options.isKept();
    if (this.#state === "ending") {
      pace.failed(mark, { askedMs: answer.delayMs, isExcused: false });
      // What is on disk comes again with the next start.
      if (isKept) putBack(part);
      else this.#lose(part, "shutdown", { ...answer, error: `no time for another attempt: ${answer.error}` });
      return;
    }
    if (!retry.enabled) {
      report.failed(answer);
      if (answer.delayMs !== undefined) pace.failed(mark, { askedMs: answer.delayMs, isExcused: true });
      this.#lose(part, "retries_exhausted", { ...answer, error: `retries are off: ${answer.error}` });
      return;
    }
    for (const request of part) this.#noteTry(request, answer);
    const waitMs = pace.failed(mark, { askedMs: answer.delayMs, isExcused: answer.kind === "hold" });
    report.failed(answer, waitMs);
    const mayGiveUp = !isKept && answer.kind !== "hold";
    const isExhausted = (request: Queued): boolean =>
      mayGiveUp && this.#triedMs(request, clock.monotonicMs() + waitMs) > this.#retryMs;
    const exhausted = part.filter(isExhausted);
    if (exhausted.length > 0)
      this.#lose(exhausted, "retries_exhausted", {
        ...answer,
        error: `no more retries left: ${answer.error}`,
      });
    putBack(part.filter((request) => !exhausted.includes(request)));
  }

  get #retryMs(): number {
    const { max_elapsed_time } = this.#options.retry;
    return max_elapsed_time === 0 ? Number.POSITIVE_INFINITY : max_elapsed_time;
  }

  #noteTry(request: Queued, { kind }: Failure): void {
    // A wrong address says nothing about the request: whatever else may follow, its time begins again.
    if (this.#firstTries.has(request) && kind !== "hold") return;
    const { clock, pace } = this.#options;
    const atMs = clock.monotonicMs();
    this.#firstTries.set(request, { atMs, excusedMs: pace.excusedMs(atMs) });
  }

  /** For how long the request will have been tried by then, but for the time of excused pauses. */
  #triedMs(request: Queued, untilMs: number): number {
    const { atMs, excusedMs } = this.#firstTries.get(request) ?? { atMs: untilMs, excusedMs: 0 };
    return untilMs - atMs - (this.#options.pace.excusedMs(untilMs) - excusedMs);
  }

  #delivered(part: readonly Queued[], answer: Answer & { readonly kind: "delivered" }): void {
    this.#hasPassed = true;
    const { report } = this.#options;
    const { items } = sizeOfAll(part);
    // The count comes from the peer, which may be wrong.
    const rejected = Math.min(answer.rejectedPoints, items);
    report.sent(items - rejected);
    const error = answer.message;
    if (rejected > 0)
      report.lost(rejected, { reason: "partial_success", errorType: "partial_success", error });
    else if (error !== "") report.warned(error);
    if (rejected > 0 && rejected === items) report.refused(`the receiver rejects everything: ${error}`);
    else report.well();
    this.#options.settle(part);
  }

  #lose(part: readonly Queued[], reason: LossReason, { status, error }: Failure): void {
    const { report, settle } = this.#options;
    const { items, requests } = sizeOfAll(part);
    report.lost(items, { reason, errorType: status, error }, requests);
    settle(part);
  }

  async #attempt(part: readonly Queued[]): Promise<Answer> {
    const { clock, timeoutMs, retry, send } = this.#options;
    const { items: points, bytes } = sizeOfAll(part);
    const batch = { parts: part.map((request) => request.bytes), points, bytes };
    const attempt = new Attempt(clock);
    this.#attempts.add(attempt);
    const answer = await attempt.make(send, batch, timeoutMs);
    this.#attempts.delete(attempt);
    return answer.kind === "delivered" ? answer : underRules(answer, retry.rules);
  }

  #isClosed(): boolean {
    return this.#state === "closed";
  }
}

/** Two parts of about the same number of bytes, each of at least one request. */
function halves(part: readonly Queued[]): [readonly Queued[], readonly Queued[]] {
  const half = sizeOfAll(part).bytes / 2;
  let bytes = 0;
  let at = 0;
  while (at < part.length - 1 && (at === 0 || bytes < half)) bytes += part[at++]?.bytes.length ?? 0;
  return [part.slice(0, at), part.slice(at)];
}
