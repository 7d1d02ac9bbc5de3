// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "pino";
import type { Clock } from "../clock/clock.ts";
import { formatDuration } from "../options/values.ts";

/** How full the queue is: sizes in the sizer's unit. */
export interface QueueState {
  readonly size: number;
  readonly capacity: number;
  /** Data points in it. */
  readonly points: number;
  /** Requests being sent. */
  readonly inFlight: number;
}

export interface FailedAttempt {
  readonly error: string;
  /** Whether the address or the credentials are wrong. */
  readonly isHeld: boolean;
  /** When the next attempt comes; undefined where the data is not kept for one. */
  readonly retryMs: number | undefined;
}

export interface OutageLogOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readQueue(): QueueState;
}

interface Outage {
  readonly beganMs: number;
  /** Since when nothing has been taken: since the beginning, or since it came back last. */
  downMs: number;
  attempts: number;
  error: string;
  /** Points by the reason of their loss. */
  readonly lost: Record<string, number>;
  /** Whether it was said that the destination refuses the exporter. */
  isHoldSaid: boolean;
  /** The queue at the last line, from which its slope is told. */
  lastLine: { readonly atMs: number; readonly size: number };
}

/** A long outage is said again after so long … */
const FIRST_REMINDER_MS = 60_000;
/** … and then as often as this. */
const REMINDER_MS = 600_000;
/** An outage that follows another one within so long is over only when the destination was well for as long. */
const CALM_MS = 60_000;

/**
 * Says when the destination stops taking data and when it takes data again, with what that cost, and between the two only
 * now and then how the queue fills. A destination that comes and goes is one outage.
 */
export class OutageLog {
  readonly #options: OutageLogOptions;
  #outage: Outage | undefined;
  /** Since when the destination takes data again, and what had waited until then, while the outage is not over for the log. */
  #well: { readonly atMs: number; readonly points: number } | undefined;
  #endedMs = Number.NEGATIVE_INFINITY;
  #isRepeated = false;
  #cancelReminder: () => void = () => {};
  #cancelEnd: () => void = () => {};

  constructor(options: OutageLogOptions) {
    this.#options = options;
  }

  /** How long the destination has taken nothing; 0 while it does. */
  get lastsMs(): number {
    if (this.#outage === undefined || this.#well !== undefined) return 0;
    return this.#options.clock.monotonicMs() - this.#outage.downMs;
  }

  /** The destination did not take a request. */
  failed(attempt: FailedAttempt): void {
    const outage = this.#outage ?? this.#begin(attempt);
    if (this.#well !== undefined) outage.downMs = this.#options.clock.monotonicMs();
    this.#well = undefined;
    this.#cancelEnd();
    outage.attempts++;
    outage.error = attempt.error;
    if (attempt.isHeld && attempt.retryMs !== undefined) this.#sayHold(outage, attempt);
  }

  /** Points were lost; they are the outage's cost where one lasts. */
  lost(points: number, reason: string): void {
    if (this.#outage === undefined) return;
    this.#outage.lost[reason] = (this.#outage.lost[reason] ?? 0) + points;
  }

  /** The destination took a request. */
  well(): void {
    if (this.#outage === undefined || this.#well !== undefined) return;
    const { clock, readQueue } = this.#options;
    const well = { atMs: clock.monotonicMs(), points: readQueue().points };
    this.#well = well;
    const end = (): void => this.#end(well);
    if (this.#isRepeated) this.#cancelEnd = clock.after(CALM_MS, end);
    else end();
  }

  /** An outage that lasts ends with the exporter. */
  close(): void {
    const outage = this.#outage;
    if (this.#well !== undefined) this.#end(this.#well);
    else if (outage !== undefined) {
      const { clock, logger } = this.#options;
      const cost = this.#costOf(outage, clock.monotonicMs());
      logger.warn(
        { ...cost, error: outage.error },
        "The exporter ends before the destination takes data again.",
      );
    }
    this.#cancelReminder();
    this.#cancelEnd();
  }

  #begin(attempt: FailedAttempt): Outage {
    const { clock, logger, readQueue } = this.#options;
    const beganMs = clock.monotonicMs();
    this.#isRepeated = beganMs - this.#endedMs < CALM_MS;
    const lastLine = { atMs: beganMs, size: readQueue().size };
    const outage: Outage = {
      beganMs,
      downMs: beganMs,
      attempts: 0,
      error: attempt.error,
      lost: {},
      isHoldSaid: false,
      lastLine,
    };
    this.#outage = outage;
    this.#remindAfter(FIRST_REMINDER_MS);
    if (attempt.retryMs === undefined)
      logger.warn(
        { error: attempt.error },
        "The destination takes no data; what is sent is lost, since retries are off.",
      );
    else if (!attempt.isHeld)
      logger.warn(this.#attemptFields(attempt), "The destination takes no data; retrying.");
    return outage;
  }

  #sayHold(outage: Outage, attempt: FailedAttempt): void {
    if (outage.isHoldSaid) return;
    outage.isHoldSaid = true;
    this.#options.logger.error(
      this.#attemptFields(attempt),
      "The destination refuses the exporter; check its address and credentials. The data is kept and tried again.",
    );
  }

  #attemptFields({ error, retryMs = 0 }: FailedAttempt): object {
    return { error, retry_in: inWords(retryMs), ...queueFields(this.#options.readQueue()) };
  }

  #remindAfter(ms: number): void {
    this.#cancelReminder = this.#options.clock.after(ms, () => {
      if (this.#outage !== undefined) this.#remind(this.#outage);
      this.#remindAfter(REMINDER_MS);
    });
  }

  #remind(outage: Outage): void {
    const { clock, logger, readQueue } = this.#options;
    const nowMs = clock.monotonicMs();
    const queue = readQueue();
    const { atMs, size } = outage.lastLine;
    const full_in = fullIn(queue, (queue.size - size) / (nowMs - atMs));
    outage.lastLine = { atMs: nowMs, size: queue.size };
    logger.warn(
      { ...this.#costOf(outage, nowMs), error: outage.error, ...queueFields(queue), full_in },
      this.#well === undefined
        ? "The destination still takes no data."
        : "The destination takes data now and then only.",
    );
  }

  #end(well: { readonly atMs: number; readonly points: number }): void {
    const outage = this.#outage;
    if (outage === undefined) return;
    const { clock, logger } = this.#options;
    const cost = this.#costOf(outage, well.atMs);
    logger.warn({ ...cost, delayed_points: well.points }, "The destination takes data again.");
    this.#cancelReminder();
    this.#outage = undefined;
    this.#well = undefined;
    this.#endedMs = clock.monotonicMs();
  }

  #costOf({ beganMs, attempts, lost }: Outage, untilMs: number): object {
    return { lasted: inWords(untilMs - beganMs), failed_attempts: attempts, lost_points: { ...lost } };
  }
}

function queueFields({ size, capacity, points }: QueueState): object {
  return { queue_size: size, queue_capacity: capacity, queued_points: points };
}

/** When the queue is full if it goes on filling as fast, in so much per millisecond; undefined where it never is. */
function fullIn({ size, capacity }: QueueState, slope: number): string | undefined {
  if (capacity === 0) return undefined;
  if (size >= capacity) return "0s";
  if (slope <= 0) return undefined;
  return inWords((capacity - size) / slope);
}

/** Whole seconds, where it is one at least. */
function inWords(ms: number): string {
  return formatDuration(ms < 1_000 ? Math.round(ms) : Math.round(ms / 1_000) * 1_000);
}
