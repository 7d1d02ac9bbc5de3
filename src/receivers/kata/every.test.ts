// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../clock/fake_clock.ts";
import { every } from "./every.ts";

test("a job runs once per interval until it is cancelled, which it may do itself", async () => {
  const clock = new FakeClock();
  let runs = 0;
  const cancel = every(clock, 1_000, () => {
    if (++runs === 3) cancel();
  });
  await clock.advance(999);
  assert.equal(runs, 0);
  await clock.advance(60_000);
  assert.equal(runs, 3);
  assert.equal(clock.timerCount, 0);
});
