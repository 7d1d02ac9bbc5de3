// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "./backoff.ts";
import { type RetryConfig, retrySchema } from "./retry_config.ts";

function check(config: Partial<RetryConfig>, random: number, want: readonly number[]): void {
  const backoff = new Backoff({ ...retrySchema.parse({}), ...config }, () => random);
  assert.deepEqual(
    want.map(() => backoff.next()),
    want,
  );
  backoff.reset();
  assert.equal(backoff.next(), want[0], "it begins again");
}

test("waits grow up to the longest", () => {
  check({}, 0.5, [5_000, 7_500, 11_250, 16_875, 25_313, 30_000, 30_000]);
  check({ initialIntervalMs: 60_000 }, 0.5, [30_000]);
});

test("waits may shrink, and are never none", () => {
  check({ multiplier: 0.5 }, 0.5, [5_000, 2_500, 1_250]);
  check({ multiplier: 0 }, 0.5, [5_000, 10, 10]);
  check({ initialIntervalMs: 0, maxIntervalMs: 0 }, 1, [10, 10]);
});

test("jitter spreads each wait to both sides, and not the growth", () => {
  check({}, 0, [2_500, 3_750, 5_625]);
  check({}, 1, [7_500, 11_250, 16_875]);
  check({ randomizationFactor: 0 }, 1, [5_000, 7_500]);
});
