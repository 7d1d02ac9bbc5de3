// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { setTimeout as realTime } from "node:timers/promises";
import type { FakeClock } from "../../../src/clock/fake_clock.ts";

/** Moves the clock on in steps, each with what the network does in real time, until it happens. */
export async function advanceUntil(
  clock: FakeClock,
  what: string,
  { done, stepMs = 100 }: { done(): boolean | Promise<boolean>; stepMs?: number },
): Promise<void> {
  const limit = performance.now() + 20_000;
  while (!(await done())) {
    assert.ok(performance.now() < limit, `waited in vain for ${what}`);
    await clock.advance(stepMs);
    await realTime(3);
  }
}

/** The same for so long. */
export async function advanceInSteps(clock: FakeClock, ms: number, stepMs: number): Promise<void> {
  for (let spentMs = 0; spentMs < ms; spentMs += stepMs) {
    await clock.advance(stepMs);
    await realTime(3);
  }
}
