// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "pino";
import type { Clock } from "../clock/clock.ts";
import { formatDuration } from "../options/values.ts";

/** How full an exporter's queue is. */
export interface QueueState {
  /** The size of the requests that are in the queue or being sent, in the unit of the option `sizer`. */
  readonly size: number;
  /** The option `queue_size`, in the unit of `sizer`; 0 if the queue is turned off. */
  readonly capacity: number;
  /** The number of data points that are in the queue or being sent. */
  readonly points: number;
  /** The number of batches that are being sent. */
  readonly inFlight: number;
}

/** An attempt to send that failed. */
export interface FailedAttempt {
  readonly error: string;
  /** Whether the attempt failed because the address or the credentials are wrong. */
  readonly isHeld: boolean;
  /** The time until the next attempt; undefined if retries are off, so that the data is lost. */
  readonly retryMs: number | undefined;
}

export interface OutageLogOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Returns how full the queue is now. */
  readQueue(): QueueState;
}

/** An outage that is going on, or several short ones that are logged as one. */
interface Outage {
  readonly beganMs: number;
  /** When the destination last stopped taking data: when the outage began, or after a short recovery within it. */
  downMs: number;
  /** The number of attempts that failed. */
  attempts: number;
  /** The error of the latest attempt that failed. */
  error: string;
  /** The number of points that were lost during the outage, by the reason. */
  readonly lost: Record<string, number>;
  /** Whether the log says already that the destination refuses the exporter. */
  isHoldLogged: boolean;
  /** The time and the queue's size at the last log line, from which the next line calculates when the queue is full. */
  lastLine: { readonly atMs: number; readonly size: number };
}

/** The time from the beginning of an outage to the first log line that says that the outage goes on. */
const FIRST_REMINDER_MS = 60_000;
/** The time between further log lines that say that an outage goes on. */
const REMINDER_MS = 600_000;
/**
 * If an outage begins within this time after the end of another, it ends only when the destination has taken data for
 * this time.
 */
const CALM_MS = 60_000;

/**
 * Logs when the destination stops taking data, and when it takes data again, with the number of points that were lost.
 * Between the two it logs now and then how the queue fills. Several short outages in a row are logged as one.
 */
export class OutageLog {
  readonly #options: OutageLogOptions;
  #outage: Outage | undefined;
  /**
   * When the destination took data again within the outage, and how many points waited then. Undefined while it takes
   * no data, and if there is no outage.
   */
  #recovery: { readonly atMs: number; readonly points: number } | undefined;
  /** When the last outage ended. */
  #endedMs = Number.NEGATIVE_INFINITY;
  /** Whether the current outage began less than `CALM_MS` after the last one. */
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

  /** Notes that the destination did not take a request. Begins an outage if there is none. */
  failed(attempt: FailedAttempt): void {
    const outage = this.#outage ?? this.#begin(attempt);
    if (this.#recovery !== undefined) outage.downMs = this.#options.clock.monotonicMs();
    this.#recovery = undefined;
    this.#cancelEnd();
    outage.attempts++;
    outage.error = attempt.error;
    if (attempt.isHeld && attempt.retryMs !== undefined) this.#logHold(outage, attempt);
  }

  /** Notes that points were lost. If there is an outage, they are counted in its log lines. */
  dropped(points: number, reason: string): void {
    if (this.#outage === undefined) return;
    this.#outage.lost[reason] = (this.#outage.lost[reason] ?? 0) + points;
  }

  /** Notes that the destination took a request. Ends the outage, at once or after `CALM_MS`. */
  succeeded(): void {
    if (this.#outage === undefined || this.#recovery !== undefined) return;
    const { clock, readQueue } = this.#options;
    const recovery = { atMs: clock.monotonicMs(), points: readQueue().points };
    this.#recovery = recovery;
    const end = (): void => this.#end(recovery);
    if (this.#isRepeated) this.#cancelEnd = clock.after(CALM_MS, end);
    else end();
  }

  /** Stops the log, with a last line if an outage is going on. */
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

/**
 * The time until the queue is full, if it grows by `growth` per millisecond. Undefined if the queue is turned off, or
 * if it is not full and does not grow.
 */
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
