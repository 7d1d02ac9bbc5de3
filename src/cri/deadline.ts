// SPDX-License-Identifier: Apache-2.0
/**
 * The longest time to which a deadline grows: slow runtimes have been seen to take up to 30 s. A longer first deadline
 * stays as it is.
 */
const GROWN_MS_MAX = 30_000;

/**
 * The deadline of one kind of call. It doubles at each time-out, so that a slow runtime can answer in the end. It
 * halves when an answer takes less than a quarter of the deadline. After a slower answer the deadline stays, because a
 * deadline that shrank with every answer would cut off every second answer.
 */
export class Deadline {
  readonly #leastMs: number;
  #ms: number;

  constructor(leastMs: number) {
    this.#leastMs = leastMs;
    this.#ms = leastMs;
  }

  get ms(): number {
    return this.#ms;
  }

  /** Doubles the deadline after a time-out. */
  passed(): void {
    this.#ms = Math.min(this.#ms * 2, Math.max(GROWN_MS_MAX, this.#leastMs));
  }

  /** Halves the deadline if the answer came in less than a quarter of it. */
  answered(afterMs: number): void {
    if (afterMs < this.#ms / 4) this.#ms = Math.max(this.#ms / 2, this.#leastMs);
  }
}
