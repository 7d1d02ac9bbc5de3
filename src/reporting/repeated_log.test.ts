// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../clock/fake_clock.ts";
import { RepeatedLog } from "./repeated_log.ts";

/** A log whose first interval is 10 s, and its lines: the time of each, and the sums in it. */
function scene() {
  const clock = new FakeClock();
  const startMs = clock.monotonicMs();
  const lines: string[] = [];
  const log = new RepeatedLog({
    clock,
    intervalMs: 10_000,
    write: ({ error }, { requests, points }) =>
      lines.push(`${(clock.monotonicMs() - startMs) / 1_000}s ${error}: ${points} of ${requests}`),
  });
  return { clock, lines, log };
}

test("the first report is a line at once, and the others are one with their sums and the latest fields", async () => {
  const { clock, lines, log } = scene();
  log.report(2, { error: "a" });
  log.report(3, { error: "b" }, 4);
  log.report(1, { error: "c" });
  assert.deepEqual(lines, ["0s a: 2 of 1"]);
  await clock.advance(10_000);
  assert.deepEqual(lines.slice(1), ["10s c: 4 of 5"]);
  log.report(7, { error: "d" });
  log.close();
  assert.deepEqual(lines.slice(2), ["10s d: 7 of 1"]);
  log.close();
  assert.equal(lines.length, 3);
  assert.equal(clock.timerCount, 0);
});

test("reports that go on get lines less and less often, at least every ten minutes; after a pause the next one gets a line at once", async () => {
  const { clock, lines, log } = scene();
  for (let second = 0; second <= 2_000; second++) {
    log.report(1, { error: "a" });
    await clock.advance(1_000);
  }
  const times = lines.map((line) => Number.parseInt(line, 10));
  assert.deepEqual(times, [0, 10, 30, 70, 150, 310, 630, 1_230, 1_830]);
  await clock.advance(1_200_000);
  lines.length = 0;
  log.report(1, { error: "b" });
  log.report(1, { error: "b" });
  await clock.advance(10_000);
  assert.equal(lines.length, 2);
  log.close();
});
