// SPDX-License-Identifier: Apache-2.0
/** The time that a component uses. A test can stop it. */
export interface Clock {
  /** Returns Unix milliseconds, for timestamps only: this clock may jump. */
  nowMs(): number;
  /** Returns the milliseconds of a clock that only goes forward, for durations and deadlines. */
  monotonicMs(): number;
  /**
   * Calls `callback` once after `delayMs` milliseconds, or soon if the delay is negative. Returns a function that
   * cancels the call. That function may be called at any time, also after the call.
   */
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
