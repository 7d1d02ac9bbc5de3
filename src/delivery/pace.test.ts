// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../clock/fake_clock.ts";
import { Pace } from "./pace.ts";
import { retrySchema } from "./retry_config.ts";

const CONSUMERS = 10;
const HOUR_MS = 3_600_000;
const BUSY = { askedMs: undefined, isExcused: false };

/** A pace on a clock of the test's; `goes` counts how often it said that something may be sent. */
function pacing(random = 0) {
  const clock = new FakeClock();
  const seen = { goes: 0 };
  const retry = retrySchema.parse({ randomization_factor: 0 });
  const pace = new Pace({ clock, retry, random: () => random, onGo: () => seen.goes++ });
  return { clock, seen, pace, room: () => pace.room(CONSUMERS) };
}

test("after a failure nothing is sent, then one request, and all again when that is answered", async () => {
  const { clock, seen, pace, room } = pacing();
  assert.equal(room(), CONSUMERS);
  assert.equal(pace.failed(pace.mark, BUSY), 5_000);
  assert.equal(room(), 0);
  await clock.advance(4_999);
  assert.equal(room(), 0);
  await clock.advance(1);
  assert.deepEqual([room(), seen.goes], [1, 1]);
  pace.answered(pace.mark);
  assert.equal(room(), CONSUMERS);
  pace.close();
});

test("probes that fail come further and further apart, and begin anew when one is answered", async () => {
  const { clock, pace } = pacing();
  const waits: number[] = [];
  for (let count = 0; count < 7; count++) {
    waits.push(pace.failed(pace.mark, BUSY));
    await clock.advance(waits.at(-1) ?? 0);
  }
  assert.deepEqual(waits, [5_000, 7_500, 11_250, 16_875, 25_313, 30_000, 30_000]);
  pace.answered(pace.mark);
  assert.equal(pace.failed(pace.mark, BUSY), 5_000);
  pace.close();
});

test("ten requests that fail in one round are one failure", () => {
  const { pace } = pacing();
  const { mark } = pace;
  const waits = Array.from({ length: 10 }, () => pace.failed(mark, BUSY));
  assert.deepEqual(new Set(waits), new Set([5_000]));
  pace.close();
});

test("a peer that asks for time gets it, a little more so that not all come back at once, and no more than an hour", () => {
  const waitOf = (askedMs: number, random: number): number => {
    const { pace } = pacing(random);
    const waitMs = pace.failed(pace.mark, { askedMs, isExcused: false });
    pace.close();
    return waitMs;
  };
  assert.equal(waitOf(600_000, 0), 600_000);
  assert.equal(waitOf(600_000, 1), 660_000);
  assert.equal(waitOf(1_000, 0), 5_000, "its wish does not shorten the wait");
  assert.equal(waitOf(1e15, 0), HOUR_MS);
});

test("while a peer's wish lasts it is asked at most once, whatever requests from before say", async () => {
  const { clock, pace, room } = pacing();
  const { mark } = pace;
  pace.failed(mark, { askedMs: 600_000, isExcused: false });
  pace.answered(mark);
  assert.equal(room(), 0, "one that was on its way was delivered");
  pace.failed(mark, BUSY);
  await clock.advance(599_999);
  assert.equal(room(), 0, "one that was on its way failed");
  await clock.advance(1);
  assert.equal(room(), 1);
  pace.close();
});

test("the answer to a request from before a pause that nobody asked for ends it", () => {
  const { pace, room } = pacing();
  const { mark } = pace;
  pace.failed(mark, BUSY);
  pace.answered(mark);
  assert.equal(room(), CONSUMERS);
  pace.close();
});

test("only pauses that a peer asked for, or that came of a wrong address, are excused", async () => {
  const { clock, pace } = pacing();
  const excusedMs = (): number => pace.excusedMs(clock.monotonicMs());
  const waitMs = pace.failed(pace.mark, BUSY);
  await clock.advance(waitMs);
  assert.equal(excusedMs(), 0);
  const heldMs = pace.failed(pace.mark, { askedMs: undefined, isExcused: true });
  assert.equal(excusedMs(), 0, "the pause begins");
  await clock.advance(heldMs / 2);
  assert.equal(excusedMs(), heldMs / 2);
  await clock.advance(heldMs / 2);
  pace.failed(pace.mark, { askedMs: 60_000, isExcused: false });
  assert.equal(pace.excusedMs(clock.monotonicMs() + 90_000), heldMs + 60_000, "to its end and no further");
  pace.close();
});

test("of a pause that becomes longer at a peer's wish, or is over before its time, what was excused counts", async () => {
  const { clock, pace } = pacing();
  const { mark } = pace;
  const ownMs = pace.failed(mark, BUSY);
  pace.failed(mark, { askedMs: ownMs + 1_000, isExcused: false });
  await clock.advance(ownMs + 1_000);
  assert.equal(pace.excusedMs(clock.monotonicMs()), 1_000);
  const during = pace.mark;
  pace.failed(during, { askedMs: undefined, isExcused: true });
  await clock.advance(10);
  pace.answered(during);
  await clock.advance(10_000);
  assert.equal(pace.excusedMs(clock.monotonicMs()), 1_010);
  pace.close();
});

test("at the end nothing waits; a peer that asked for time gets one request, and the rest if it takes that", () => {
  const plain = pacing();
  plain.pace.failed(plain.pace.mark, BUSY);
  plain.pace.end();
  assert.equal(plain.room(), CONSUMERS);
  plain.pace.failed(plain.pace.mark, BUSY);
  assert.equal(plain.room(), CONSUMERS, "each request gets its attempt");

  const refused = pacing();
  refused.pace.failed(refused.pace.mark, { askedMs: 60_000, isExcused: false });
  refused.pace.end();
  assert.equal(refused.room(), 1);
  refused.pace.failed(refused.pace.mark, BUSY);
  assert.equal(refused.room(), 0);

  const taken = pacing();
  taken.pace.failed(taken.pace.mark, { askedMs: 60_000, isExcused: false });
  taken.pace.end();
  taken.pace.answered(taken.pace.mark);
  assert.equal(taken.room(), CONSUMERS);
  for (const { clock } of [plain, refused, taken]) assert.equal(clock.timerCount, 0);
});

test("a start that is spread sends nothing before its time, and one request first", async () => {
  const { clock, pace, room } = pacing();
  pace.startLater(8_000);
  assert.equal(room(), 0);
  await clock.advance(8_000);
  assert.equal(room(), 1);
  pace.close();
});
