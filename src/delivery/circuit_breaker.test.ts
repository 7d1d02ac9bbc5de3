// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../clock/fake_clock.ts";
import { CircuitBreaker } from "./circuit_breaker.ts";
import { retrySchema } from "./retry_config.ts";

const CONSUMERS = 10;
const HOUR_MS = 3_600_000;
const BUSY = { askedMs: undefined, isExcluded: false };

/** A breaker on a clock of the test's; `goes` counts how often it said that something may be sent. */
function pacing(random = 0) {
  const clock = new FakeClock();
  const seen = { goes: 0 };
  const retry = retrySchema.parse({ randomization_factor: 0 });
  const breaker = new CircuitBreaker({ clock, retry, random: () => random, onReady: () => seen.goes++ });
  return { clock, seen, breaker, room: () => breaker.allowed(CONSUMERS) };
}

test("after a failure nothing is sent, then one request, and all again when that is answered", async () => {
  const { clock, seen, breaker, room } = pacing();
  assert.equal(room(), CONSUMERS);
  assert.equal(breaker.failed(breaker.generation, BUSY), 5_000);
  assert.equal(room(), 0);
  await clock.advance(4_999);
  assert.equal(room(), 0);
  await clock.advance(1);
  assert.deepEqual([room(), seen.goes], [1, 1]);
  breaker.answered(breaker.generation);
  assert.equal(room(), CONSUMERS);
  breaker.stop();
});

test("probes that fail come further and further apart, and begin anew when one is answered", async () => {
  const { clock, breaker } = pacing();
  const waits: number[] = [];
  for (let count = 0; count < 7; count++) {
    waits.push(breaker.failed(breaker.generation, BUSY));
    await clock.advance(waits.at(-1) ?? 0);
  }
  assert.deepEqual(waits, [5_000, 7_500, 11_250, 16_875, 25_313, 30_000, 30_000]);
  breaker.answered(breaker.generation);
  assert.equal(breaker.failed(breaker.generation, BUSY), 5_000);
  breaker.stop();
});

test("ten requests that fail in one round are one failure", () => {
  const { breaker } = pacing();
  const { generation } = breaker;
  const waits = Array.from({ length: 10 }, () => breaker.failed(generation, BUSY));
  assert.deepEqual(new Set(waits), new Set([5_000]));
  breaker.stop();
});

test("a peer that asks for time gets it, a little more so that not all come back at once, and no more than an hour", () => {
  const waitOf = (askedMs: number, random: number): number => {
    const { breaker } = pacing(random);
    const waitMs = breaker.failed(breaker.generation, { askedMs, isExcluded: false });
    breaker.stop();
    return waitMs;
  };
  assert.equal(waitOf(600_000, 0), 600_000);
  assert.equal(waitOf(600_000, 1), 660_000);
  assert.equal(waitOf(1_000, 0), 5_000, "its wish does not shorten the wait");
  assert.equal(waitOf(1e15, 0), HOUR_MS);
});

test("while a peer's wish lasts it is asked at most once, whatever requests from before say", async () => {
  const { clock, breaker, room } = pacing();
  const { generation } = breaker;
  breaker.failed(generation, { askedMs: 600_000, isExcluded: false });
  breaker.answered(generation);
  assert.equal(room(), 0, "one that was on its way was delivered");
  breaker.failed(generation, BUSY);
  await clock.advance(599_999);
  assert.equal(room(), 0, "one that was on its way failed");
  await clock.advance(1);
  assert.equal(room(), 1);
  breaker.stop();
});

test("the answer to a request from before a pause that nobody asked for ends it", () => {
  const { breaker, room } = pacing();
  const { generation } = breaker;
  breaker.failed(generation, BUSY);
  breaker.answered(generation);
  assert.equal(room(), CONSUMERS);
  breaker.stop();
});

test("only pauses that a peer asked for, or that came of a wrong address, are excused", async () => {
  const { clock, breaker } = pacing();
  const excludedMs = (): number => breaker.excludedMs(clock.monotonicMs());
  const waitMs = breaker.failed(breaker.generation, BUSY);
  await clock.advance(waitMs);
  assert.equal(excludedMs(), 0);
  const heldMs = breaker.failed(breaker.generation, { askedMs: undefined, isExcluded: true });
  assert.equal(excludedMs(), 0, "the pause begins");
  await clock.advance(heldMs / 2);
  assert.equal(excludedMs(), heldMs / 2);
  await clock.advance(heldMs / 2);
  breaker.failed(breaker.generation, { askedMs: 60_000, isExcluded: false });
  assert.equal(
    breaker.excludedMs(clock.monotonicMs() + 90_000),
    heldMs + 60_000,
    "to its end and no further",
  );
  breaker.stop();
});

test("of a pause that becomes longer at a peer's wish, or is over before its time, what was excused counts", async () => {
  const { clock, breaker } = pacing();
  const { generation } = breaker;
  const ownMs = breaker.failed(generation, BUSY);
  breaker.failed(generation, { askedMs: ownMs + 1_000, isExcluded: false });
  await clock.advance(ownMs + 1_000);
  assert.equal(breaker.excludedMs(clock.monotonicMs()), 1_000);
  const during = breaker.generation;
  breaker.failed(during, { askedMs: undefined, isExcluded: true });
  await clock.advance(10);
  breaker.answered(during);
  await clock.advance(10_000);
  assert.equal(breaker.excludedMs(clock.monotonicMs()), 1_010);
  breaker.stop();
});

test("at the end nothing waits; a peer that asked for time gets one request, and the rest if it takes that", () => {
  const plain = pacing();
  plain.breaker.failed(plain.breaker.generation, BUSY);
  plain.breaker.drain();
  assert.equal(plain.room(), CONSUMERS);
  plain.breaker.failed(plain.breaker.generation, BUSY);
  assert.equal(plain.room(), CONSUMERS, "each request gets its attempt");

  const refused = pacing();
  refused.breaker.failed(refused.breaker.generation, { askedMs: 60_000, isExcluded: false });
  refused.breaker.drain();
  assert.equal(refused.room(), 1);
  refused.breaker.failed(refused.breaker.generation, BUSY);
  assert.equal(refused.room(), 0);

  const taken = pacing();
  taken.breaker.failed(taken.breaker.generation, { askedMs: 60_000, isExcluded: false });
  taken.breaker.drain();
  taken.breaker.answered(taken.breaker.generation);
  assert.equal(taken.room(), CONSUMERS);
  for (const { clock } of [plain, refused, taken]) assert.equal(clock.timerCount, 0);
});

test("a start that is spread sends nothing before its time, and one request first", async () => {
  const { clock, breaker, room } = pacing();
  breaker.startAfter(8_000);
  assert.equal(room(), 0);
  await clock.advance(8_000);
  assert.equal(room(), 1);
  breaker.stop();
});
