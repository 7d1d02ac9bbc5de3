// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { setTimeout as realTime } from "node:timers/promises";
import type { FakeClock } from "../../../src/clock/fake_clock.ts";

/** Advances the clock in steps until `done`, with 3 ms of real time after each step for what the network does. */
export async function advanceUntil(
  clock: FakeClock,
  what: string,
  { done, stepMs = 100 }: { done(): boolean | Promise<boolean>; stepMs?: number },
): Promise<void> {
  const limit = performance.now() + 20_000;
  while (!(await done())) {
    assert.ok(performance.now() < limit, `waited 20 s for ${what}`);
    await clock.advance(stepMs);
    await realTime(3);
  }
}

/** Advances the clock by `ms` in steps, with 3 ms of real time after each step for what the network does. */
export async function advanceInSteps(clock: FakeClock, ms: number, stepMs: number): Promise<void> {
  for (let spentMs = 0; spentMs < ms; spentMs += stepMs) {
    await clock.advance(stepMs);
    await realTime(3);
  }
}
