// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../clock/clock.ts";

/** One instant by both clocks: the first is for people, the second for durations. */
export interface Moment {
  readonly unixMs: number;
  readonly monotonicMs: number;
}

export function momentOf(clock: Clock): Moment {
  return { unixMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
}
