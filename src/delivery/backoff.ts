// SPDX-License-Identifier: Apache-2.0
import type { RetryConfig } from "./retry_config.ts";

/** The least pause, since an `initial_interval` of 0 or a `multiplier` below 1 would lead to attempts without one. */
const WAIT_MIN_MS = 10;

/** The pauses between the attempts to reach a peer: they grow exponentially, with jitter. */
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

  /** Returns the pause before the next attempt, in milliseconds. Makes the pause of the next call longer. */
  next(): number {
    const { randomizationFactor, multiplier, maxIntervalMs } = this.#config;
    const spread = 1 + randomizationFactor * (2 * this.#random() - 1);
    const waitMs = Math.max(WAIT_MIN_MS, Math.round(this.#intervalMs * spread));
    this.#intervalMs = Math.min(this.#intervalMs * multiplier, maxIntervalMs);
    return waitMs;
  }

  /** Begins again with the shortest pause. The caller calls it when the peer has answered. */
  reset(): void {
    const { initialIntervalMs, maxIntervalMs } = this.#config;
    this.#intervalMs = Math.min(initialIntervalMs, maxIntervalMs);
  }
}
