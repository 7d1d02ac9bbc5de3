// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../clock/fake_clock.ts";
import { BacklogRate } from "./backlog_rate.ts";

const KIB = 1024;

/** How long a backlog of so many bytes takes beside an intake of so many bytes a second, which goes on. */
async function drainMs(factor: number, liveBytesPerS: number, backlogBytes: number): Promise<number> {
  const clock = new FakeClock();
  const rate = new BacklogRate(clock, factor);
  const live = async (ms: number): Promise<void> => {
    await clock.advance(ms);
    rate.enqueued((liveBytesPerS * ms) / 1_000);
  };
  for (let second = 0; second < 120; second++) await live(1_000);
  const beganMs = clock.monotonicMs();
  for (let left = backlogBytes; left > 0; left -= 256 * KIB) {
    await live(rate.waitMs());
    rate.taken(256 * KIB);
  }
  await live(rate.waitMs());
  return clock.monotonicMs() - beganMs;
}

test("a backlog leaves as many times as fast as requests come in, as the factor says", async () => {
  const backlog = 64 * 1024 * KIB;
  const fourTimes = await drainMs(4, 128 * KIB, backlog);
  assert.ok(Math.abs(fourTimes - 128_000) < 5_000, `${fourTimes} ms`);
  const eightTimes = await drainMs(8, 128 * KIB, backlog);
  assert.ok(Math.abs(eightTimes - 64_000) < 3_000, `${eightTimes} ms`);
  assert.equal(await drainMs(0, 128 * KIB, backlog), 0, "0 is no limit");
});

test("where next to nothing comes in, a backlog leaves all the same", async () => {
  assert.equal(await drainMs(4, 0, 1024 * KIB), 16_000);
});

test("the first requests after a start do not pass for a high rate", async () => {
  const clock = new FakeClock();
  const rate = new BacklogRate(clock, 4);
  rate.enqueued(1024 * KIB);
  rate.taken(1024 * KIB);
  assert.equal(rate.waitMs(), 3_750, "as if it had come within 15 s");
});
