// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "pino";
import type { Clock } from "../clock/clock.ts";
import { formatDuration } from "../options/values.ts";

/** How full the queue is. */
export interface QueueState {
  /** The requests in the queue and on their way, in the sizer's unit. */
  readonly size: number;
  /** The most that may be there, in the same unit; 0 if there is no queue. */
  readonly capacity: number;
  /** The number of data points in the queue and on their way. */
  readonly points: number;
  /** The number of batches that are being sent. */
  readonly inFlight: number;
}

/** An attempt that the destination did not take. */
export interface FailedAttempt {
  readonly error: string;
  /** Whether the address or the credentials are wrong. */
  readonly isHeld: boolean;
  /** The time until the next attempt; undefined if the data is not kept for one. */
  readonly retryMs: number | undefined;
}

export interface OutageLogOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readQueue(): QueueState;
}

interface Outage {
  readonly beganMs: number;
  /** When the destination last stopped taking data: at the beginning, or after it had taken some in between. */
  downMs: number;
  attempts: number;
  error: string;
  /** The number of points that were lost, by the reason. */
  readonly lost: Record<string, number>;
  /** Whether the log says already that the destination refuses the exporter. */
  isHoldLogged: boolean;
  /** The size of the queue at the last line in the log, to say how fast it fills. */
  lastLine: { readonly atMs: number; readonly size: number };
}

/** The time from the beginning of an outage to the first line that says that it goes on. */
const FIRST_REMINDER_MS = 60_000;
/** The time between further such lines. */
const REMINDER_MS = 600_000;
/** An outage that begins within this time after another one ends only when the destination has taken data for as long. */
const CALM_MS = 60_000;

/**
 * Logs when the destination stops taking data, and when it takes data again, with the number of points that were lost.
 * Between the two it logs now and then how the queue fills. Several short outages in a row are logged as one.
 */
export class OutageLog {
  readonly #options: OutageLogOptions;
  #outage: Outage | undefined;
  /** When the destination took data again, and how many points waited then; undefined while it takes none. */
  #recovery: { readonly atMs: number; readonly points: number } | undefined;
  #endedMs = Number.NEGATIVE_INFINITY;
  #isRepeated = false;
  #cancelReminder: () => void = () => {};
  #cancelEnd: () => void = () => {};

  constructor(options: OutageLogOptions) {
    this.#options = options;
  }

  /** How long the destination has taken no data; 0 while it takes data. */
  get lastsMs(): number {
    if (this.#outage === undefined || this.#recovery !== undefined) return 0;
    return this.#options.clock.monotonicMs() - this.#outage.downMs;
  }

  /** The destination did not take a request. */
  failed(attempt: FailedAttempt): void {
    const outage = this.#outage ?? this.#begin(attempt);
    if (this.#recovery !== undefined) outage.downMs = this.#options.clock.monotonicMs();
    this.#recovery = undefined;
    this.#cancelEnd();
    outage.attempts++;
    outage.error = attempt.error;
    if (attempt.isHeld && attempt.retryMs !== undefined) this.#logHold(outage, attempt);
  }

  /** Points were lost. During an outage they count as its cost. */
  dropped(points: number, reason: string): void {
    if (this.#outage === undefined) return;
    this.#outage.lost[reason] = (this.#outage.lost[reason] ?? 0) + points;
  }

  /** The destination took a request. */
  succeeded(): void {
    if (this.#outage === undefined || this.#recovery !== undefined) return;
    const { clock, readQueue } = this.#options;
    const recovery = { atMs: clock.monotonicMs(), points: readQueue().points };
    this.#recovery = recovery;
    const end = (): void => this.#end(recovery);
    if (this.#isRepeated) this.#cancelEnd = clock.after(CALM_MS, end);
    else end();
  }

  /** Ends the log. An outage that goes on gets its last line. */
  close(): void {
    const outage = this.#outage;
    if (this.#recovery !== undefined) this.#end(this.#recovery);
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
      isHoldLogged: false,
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

  #logHold(outage: Outage, attempt: FailedAttempt): void {
    if (outage.isHoldLogged) return;
    outage.isHoldLogged = true;
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
      this.#recovery === undefined
        ? "The destination still takes no data."
        : "The destination takes data now and then only.",
    );
  }

  #end(recovery: { readonly atMs: number; readonly points: number }): void {
    const outage = this.#outage;
    if (outage === undefined) return;
    const { clock, logger } = this.#options;
    const cost = this.#costOf(outage, recovery.atMs);
    logger.warn({ ...cost, delayed_points: recovery.points }, "The destination takes data again.");
    this.#cancelReminder();
    this.#outage = undefined;
    this.#recovery = undefined;
    this.#endedMs = clock.monotonicMs();
  }

  #costOf({ beganMs, attempts, lost }: Outage, untilMs: number): object {
    return { lasted: inWords(untilMs - beganMs), failed_attempts: attempts, lost_points: { ...lost } };
  }
}

function queueFields({ size, capacity, points }: QueueState): object {
  return { queue_size: size, queue_capacity: capacity, queued_points: points };
}

/** The time until the queue is full, if it grows by `growth` per millisecond; undefined if it does not grow. */
function fullIn({ size, capacity }: QueueState, growth: number): string | undefined {
  if (capacity === 0) return undefined;
  if (size >= capacity) return "0s";
  if (growth <= 0) return undefined;
  return inWords((capacity - size) / growth);
}

/** A duration in whole seconds, or in milliseconds if it is shorter than a second. */
function inWords(ms: number): string {
  return formatDuration(ms < 1_000 ? Math.round(ms) : Math.round(ms / 1_000) * 1_000);
}
