// SPDX-License-Identifier: Apache-2.0
import type { RetryConfig } from "./retry_config.ts";

/** Intervals of 0, or a `multiplier` below 1, leave nothing to wait for; a peer in trouble must not be asked without a pause. */
const WAIT_MIN_MS = 10;

/** The waits between the attempts to reach a peer: exponential, with jitter. */
export class Backoff {
  readonly #config: RetryConfig;
  readonly #random: () => number;
  #intervalMs = 0;

  /** `random` gives numbers from 0 to 1. */
  constructor(config: RetryConfig, random: () => number) {
    this.#config = config;
    this.#random = random;
    this.reset();
  }

  /** The wait before the next attempt, in milliseconds. */
  next(): number {
    const { randomization_factor, multiplier, max_interval } = this.#config;
    const spread = 1 + randomization_factor * (2 * this.#random() - 1);
    const waitMs = Math.max(WAIT_MIN_MS, Math.round(this.#intervalMs * spread));
    this.#intervalMs = Math.min(this.#intervalMs * multiplier, max_interval);
    return waitMs;
  }

  /** The peer has answered: the next wait is the first again. */
  reset(): void {
    const { initial_interval, max_interval } = this.#config;
    this.#intervalMs = Math.min(initial_interval, max_interval);
  }
}
