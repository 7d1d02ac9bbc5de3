// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../clock/clock.ts";

/** One point in time by both clocks. */
export interface Instant {
  /** For people; the clock may jump. */
  readonly unixMs: number;
  /** For durations; the clock only goes forward. */
  readonly monotonicMs: number;
}

export function instantOf(clock: Clock): Instant {
  return { unixMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
}
