// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../clock/clock.ts";

/** A job that takes longer than this no longer counts as one of the running jobs, so that the next job can begin. */
const SLOW_MS = 1_000;
/** The most slow jobs that are not counted, as a multiple of `limit`. Any further slow job still counts. */
const SLOW_FACTOR = 8;

export interface LanesOptions<T> {
  readonly clock: Clock;
  /** The most jobs that may run at a time. Slow jobs are not counted, up to `SLOW_FACTOR` times as many. */
  readonly limit: number;
  /** Makes the tool that a job works with. Up to `limit` tools are kept for later jobs. */
  make(): T;
}

/**
 * Runs a limited number of jobs at a time, in the order in which they came. A job that takes over a second is not counted
 * any more, so that a hundred hung shims on a node do not delay the scrapes of the others.
 */
export class Lanes<T> {
  readonly #options: LanesOptions<T>;
  readonly #idle: T[] = [];
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #slow = 0;

  constructor(options: LanesOptions<T>) {
    this.#options = options;
  }

  /** Runs the job as soon as fewer than `limit` jobs count. Rejects with what the job rejects with. */
  async run<R>(job: (tool: T) => Promise<R>): Promise<R> {
    const { clock, limit, make } = this.#options;
    if (this.#running < limit) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let slow = false;
    const cancel = clock.after(SLOW_MS, () => {
      if (this.#slow >= limit * SLOW_FACTOR) return;
      slow = true;
      this.#slow++;
      this.#passOn();
    });
    const tool = this.#idle.pop() ?? make();
    try {
      return await job(tool);
    } finally {
      cancel();
      if (this.#idle.length < limit) this.#idle.push(tool);
      if (slow) this.#slow--;
      else this.#passOn();
    }
  }

  /**
   * Begins the next waiting job in place of one that no longer counts. If none waits, one job less counts as running.
   */
  #passOn(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}
