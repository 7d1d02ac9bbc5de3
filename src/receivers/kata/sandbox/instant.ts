// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../clock/clock.ts";

/** One point in time, by the clock of the time of day and by the monotonic clock. */
export interface Instant {
  /** Unix milliseconds, to show to people. The clock of the time of day may be set forward or back. */
  readonly unixMs: number;
  /** Milliseconds of the monotonic clock, to calculate durations. It only goes forward. */
  readonly monotonicMs: number;
}

export function instantOf(clock: Clock): Instant {
  return { unixMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
}
