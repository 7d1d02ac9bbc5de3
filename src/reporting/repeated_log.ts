// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";

type Fields = Readonly<Record<string, unknown>>;

/** The sums of all reports since the last line. */
export interface Repetition {
  readonly requests: number;
  readonly points: number;
}

export interface RepeatedLogOptions {
  readonly clock: Clock;
  /** The time between the first line and the second, in milliseconds. Later intervals are longer. */
  readonly intervalMs: number;
  /** Writes one line, with the fields of the latest report and the sums of all reports since the last line. */
  write(fields: Fields, repetition: Repetition): void;
}

/** The longest interval between two lines, in milliseconds. The interval does not double beyond it. */
const INTERVAL_MAX_MS = 600_000;

/**
 * Writes a line for the first report at once, and one line per interval for all later reports. The interval doubles for as long
 * as reports come.
 */
export class RepeatedLog {
  readonly #options: RepeatedLogOptions;
  #latest: Fields = {};
  #requests = 0;
  #points = 0;
  #cancel: (() => void) | undefined;

  constructor(options: RepeatedLogOptions) {
    this.#options = options;
  }

  report(points: number, fields: Fields, requests = 1): void {
    this.#latest = fields;
    this.#requests += requests;
    this.#points += points;
    if (this.#cancel === undefined) this.#write(this.#options.intervalMs);
  }

  /** Writes one more line if reports have come since the latest line, and cancels the timer. */
  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#requests > 0) this.#options.write(this.#latest, this.#take());
  }

  #write(intervalMs: number): void {
    this.#options.write(this.#latest, this.#take());
    this.#cancel = this.#options.clock.after(intervalMs, () => {
      this.#cancel = undefined;
      if (this.#requests > 0) this.#write(Math.min(intervalMs * 2, INTERVAL_MAX_MS));
    });
  }

  #take(): Repetition {
    const repetition = { requests: this.#requests, points: this.#points };
    this.#requests = 0;
    this.#points = 0;
    return repetition;
  }
}
