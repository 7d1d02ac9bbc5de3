// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { churn, SERIES_MAX } from "./churn.ts";

/** For a longer run: npm run fuzz -- --churn */
test("in an hour of new series in every scrape, guests get no further than their limit, and no other sandbox loses a sample", async () => {
  const sandboxes = await churn({ seed: 1, hostile: 6, honest: 3, scrapes: 60, intervalMs: 60_000 });
  assert.equal(sandboxes.length, 9);
  for (const { isHostile, faults, series } of sandboxes) {
    assert.deepEqual(faults, [], isHostile ? "hostile" : "honest");
    assert.ok(series <= SERIES_MAX, `${series} series`);
  }
});
