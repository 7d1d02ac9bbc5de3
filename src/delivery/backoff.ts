import type { RetryConfig } from "./config.ts";

/** A server that asks for more gets this: it may be wrong, and the queue fills meanwhile. */
export const SERVER_DELAY_MAX_MS: number = 3_600_000;
/** Intervals of 0, or a `multiplier` below 1, leave nothing to wait for; who fails must not be asked without a pause. */
const WAIT_MIN_MS = 10;

/** The waits between the attempts to send one request: exponential, with jitter, ended by `max_elapsed_time`. */
export class Backoff {
  readonly #config: RetryConfig;
  readonly #random: () => number;
  readonly #startedMs: number;
  #intervalMs: number;

  /** `random` gives numbers from 0 to 1; `nowMs` is of a clock that only goes forward. */
  constructor(config: RetryConfig, random: () => number, nowMs: number) {
    this.#config = config;
    this.#random = random;
    this.#startedMs = nowMs;
    this.#intervalMs = Math.min(config.initial_interval, config.max_interval);
  }

  /** The wait before the next attempt, at least what the server asked for; undefined when it is time to give up. */
  next(nowMs: number, serverDelayMs: number): number | undefined {
    const { randomization_factor, multiplier, max_interval, max_elapsed_time } = this.#config;
    const spread = 1 + randomization_factor * (2 * this.#random() - 1);
    const ownMs = Math.max(WAIT_MIN_MS, Math.round(this.#intervalMs * spread));
    this.#intervalMs = Math.min(this.#intervalMs * multiplier, max_interval);
    const waitMs = Math.max(ownMs, Math.min(serverDelayMs, SERVER_DELAY_MAX_MS));
    const givesUp = max_elapsed_time > 0 && nowMs - this.#startedMs + waitMs > max_elapsed_time;
    return givesUp ? undefined : waitMs;
  }
}
