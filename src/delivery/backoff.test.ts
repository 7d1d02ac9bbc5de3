import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff, SERVER_DELAY_MAX_MS } from "./backoff.ts";
import { type RetryConfig, retrySchema } from "./config.ts";

function check(config: Partial<RetryConfig>, random: number, want: readonly (number | undefined)[]): void {
  const backoff = new Backoff({ ...retrySchema.parse({}), ...config }, () => random, 0);
  let nowMs = 0;
  for (const [index, wanted] of want.entries()) {
    const waitMs = backoff.next(nowMs, 0);
    assert.equal(waitMs, wanted, `wait ${index}`);
    nowMs += waitMs ?? 0;
  }
}

test("waits grow up to the longest and end after max_elapsed_time", () => {
  check({}, 0.5, [5_000, 7_500, 11_250, 16_875, 25_313, 30_000, 30_000]);
  check({ max_elapsed_time: 20_000 }, 0.5, [5_000, 7_500, undefined]);
  check({ initial_interval: 60_000 }, 0.5, [30_000]);
});

test("waits may shrink, and are never none", () => {
  check({ multiplier: 0.5 }, 0.5, [5_000, 2_500, 1_250]);
  check({ multiplier: 0 }, 0.5, [5_000, 10, 10]);
  check({ initial_interval: 0, max_interval: 0 }, 1, [10, 10]);
});

test("jitter spreads each wait to both sides, and not the growth", () => {
  check({}, 0, [2_500, 3_750, 5_625]);
  check({}, 1, [7_500, 11_250, 16_875]);
  check({ randomization_factor: 0 }, 1, [5_000, 7_500]);
});

test("without max_elapsed_time it never gives up", () => {
  const backoff = new Backoff({ ...retrySchema.parse({}), max_elapsed_time: 0 }, () => 0.5, 0);
  assert.equal(backoff.next(1e12, 0), 5_000);
});

test("a server's wish lengthens the wait, within reason, and never shortens it", () => {
  const backoff = new Backoff({ ...retrySchema.parse({}), max_elapsed_time: 0 }, () => 0.5, 0);
  assert.equal(backoff.next(0, 1), 5_000);
  assert.equal(backoff.next(0, 20_000), 20_000);
  assert.equal(backoff.next(0, 1e15), SERVER_DELAY_MAX_MS);
});
