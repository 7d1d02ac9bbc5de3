// SPDX-License-Identifier: Apache-2.0
/**
 * What the kubelet gives a runtime that was seen to be slow in the worst of reports; a longer first deadline stays as it
 * is.
 */
const GROWN_MS_MAX = 30_000;

/**
 * How long one kind of call may take. Each time-out doubles it, so that a runtime that is slow is heard in the end; it
 * shrinks again once answers come in a quarter of it. Between the two it stays: a deadline that shrank with every answer
 * would cut off each second one.
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

  passed(): void {
    this.#ms = Math.min(this.#ms * 2, Math.max(GROWN_MS_MAX, this.#leastMs));
  }

  answered(afterMs: number): void {
    if (afterMs < this.#ms / 4) this.#ms = Math.max(this.#ms / 2, this.#leastMs);
  }
}
