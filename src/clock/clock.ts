// SPDX-License-Identifier: Apache-2.0
/** Time as a component sees it, so that a test can hold it still. */
export interface Clock {
  /** Unix milliseconds; may jump. For timestamps only. */
  nowMs(): number;
  /** Milliseconds of a clock that only goes forward. For durations and deadlines. */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs`, soon where that has passed already; the returned function cancels it and may be called at any time. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.max(0, delayMs));
    return () => clearTimeout(timer);
  },
};
