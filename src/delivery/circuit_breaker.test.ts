// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../clock/fake_clock.ts";
import { CircuitBreaker } from "./circuit_breaker.ts";
import { retrySchema } from "./retry_config.ts";

const CONSUMERS = 10;
const HOUR_MS = 3_600_000;
const BUSY = { askedMs: undefined, isExcluded: false };

/** A breaker on a fake clock; `readyCalls` counts the calls of `onReady`. */
function breakerOnFakeClock(random = 0) {
  const clock = new FakeClock();
  const seen = { readyCalls: 0 };
  const retry = retrySchema.parse({ randomization_factor: 0 });
  const breaker = new CircuitBreaker({
    clock,
    retry,
    random: () => random,
    onReady: () => seen.readyCalls++,
  });
  return { clock, seen, breaker, room: () => breaker.allowed(CONSUMERS) };
}

test("after a failure nothing is sent, then one request, and all requests again when that one is answered", async () => {
  const { clock, seen, breaker, room } = breakerOnFakeClock();
  assert.equal(room(), CONSUMERS);
  assert.equal(breaker.failed(breaker.generation, BUSY), 5_000);
  assert.equal(room(), 0);
  await clock.advance(4_999);
  assert.equal(room(), 0);
  await clock.advance(1);
  assert.deepEqual([room(), seen.readyCalls], [1, 1]);
  breaker.answered(breaker.generation);
  assert.equal(room(), CONSUMERS);
  breaker.stop();
});

test("the pauses between failing probes grow, and begin again with the shortest when a probe is answered", async () => {
  const { clock, breaker } = breakerOnFakeClock();
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

test("ten requests of one generation that fail count as one failure", () => {
  const { breaker } = breakerOnFakeClock();
  const { generation } = breaker;
  const waits = Array.from({ length: 10 }, () => breaker.failed(generation, BUSY));
  assert.deepEqual(new Set(waits), new Set([5_000]));
  breaker.stop();
});

test("a peer gets the pause that it asks for, a little longer so that agents do not all return at once, and at most an hour", () => {
  const waitOf = (askedMs: number, random: number): number => {
    const { breaker } = breakerOnFakeClock(random);
    const waitMs = breaker.failed(breaker.generation, { askedMs, isExcluded: false });
    breaker.stop();
    return waitMs;
  };
  assert.equal(waitOf(600_000, 0), 600_000);
  assert.equal(waitOf(600_000, 1), 660_000);
  assert.equal(waitOf(1_000, 0), 5_000, "its wish does not shorten the wait");
  assert.equal(waitOf(1e15, 0), HOUR_MS);
});

test("during a pause that a peer asked for, answers to earlier requests do not end the pause", async () => {
  const { clock, breaker, room } = breakerOnFakeClock();
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

test("an answer to an earlier request ends a pause that the peer did not ask for", () => {
  const { breaker, room } = breakerOnFakeClock();
  const { generation } = breaker;
  breaker.failed(generation, BUSY);
  breaker.answered(generation);
  assert.equal(room(), CONSUMERS);
  breaker.stop();
});

test("only pauses that a peer asked for, or that a wrong address caused, are excluded", async () => {
  const { clock, breaker } = breakerOnFakeClock();
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

test("a pause that a peer makes longer, or that ends early, is excluded for the time that it was asked for", async () => {
  const { clock, breaker } = breakerOnFakeClock();
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

test("at a shutdown there are no pauses; a peer that asked for one gets one request, and the others if it takes that", () => {
  const plain = breakerOnFakeClock();
  plain.breaker.failed(plain.breaker.generation, BUSY);
  plain.breaker.drain();
  assert.equal(plain.room(), CONSUMERS);
  plain.breaker.failed(plain.breaker.generation, BUSY);
  assert.equal(plain.room(), CONSUMERS, "each request gets its attempt");

  const refused = breakerOnFakeClock();
  refused.breaker.failed(refused.breaker.generation, { askedMs: 60_000, isExcluded: false });
  refused.breaker.drain();
  assert.equal(refused.room(), 1);
  refused.breaker.failed(refused.breaker.generation, BUSY);
  assert.equal(refused.room(), 0);

  const taken = breakerOnFakeClock();
  taken.breaker.failed(taken.breaker.generation, { askedMs: 60_000, isExcluded: false });
  taken.breaker.drain();
  taken.breaker.answered(taken.breaker.generation);
  assert.equal(taken.room(), CONSUMERS);
  for (const { clock } of [plain, refused, taken]) assert.equal(clock.timerCount, 0);
});

test("with start_spread nothing is sent before the delay is over, and then one request first", async () => {
  const { clock, breaker, room } = breakerOnFakeClock();
  breaker.startAfter(8_000);
  assert.equal(room(), 0);
  await clock.advance(8_000);
  assert.equal(room(), 1);
  breaker.stop();
});
