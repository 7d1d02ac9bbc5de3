// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../clock/fake_clock.ts";
import { SizeLimit } from "./size_limit.ts";

const KB = 1_000;

test("the limit is the size that the peer took, at least 64 KiB, and only a batch within the limit can lower it", () => {
  const limit = new SizeLimit(new FakeClock(), 4_000 * KB);
  assert.equal(limit.bytes, 4_000 * KB);
  assert.ok(limit.lower({ passedBytes: 800 * KB, refusedBytes: 1_600 * KB }));
  assert.equal(limit.bytes, 800 * KB);
  assert.ok(!limit.lower({ passedBytes: 400 * KB, refusedBytes: 900 * KB }), "it was taken before");
  assert.ok(!limit.lower({ passedBytes: 900 * KB, refusedBytes: 700 * KB }), "more has passed");
  assert.ok(limit.lower({ passedBytes: 1, refusedBytes: 700 * KB }));
  assert.equal(limit.bytes, 65_536);
});

test("the limit is doubled each hour, up to the config's, and can be lowered again", async () => {
  const clock = new FakeClock();
  const limit = new SizeLimit(clock, 4_000 * KB);
  limit.lower({ passedBytes: 1_000 * KB, refusedBytes: 2_000 * KB });
  const seen: number[] = [];
  for (let hour = 0; hour < 3; hour++) {
    await clock.advance(3_600_000);
    seen.push(limit.bytes / KB);
  }
  assert.deepEqual(seen, [2_000, 4_000, 4_000]);
  assert.ok(limit.lower({ passedBytes: 1_000 * KB, refusedBytes: 4_000 * KB }));
  assert.equal(limit.bytes, 1_000 * KB);
});
