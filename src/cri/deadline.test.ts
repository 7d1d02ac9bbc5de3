// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { Deadline } from "./deadline.ts";

/** The deadlines after each of these: an answer's milliseconds, or no answer. */
function check(leastMs: number, calls: readonly (number | "none")[], want: readonly number[]): void {
  const deadline = new Deadline(leastMs);
  const got = calls.map((call) => {
    if (call === "none") deadline.passed();
    else deadline.answered(call);
    return deadline.ms;
  });
  assert.deepEqual(got, want);
}

test("time-outs double the deadline up to 30 s, or leave it where it was longer from the start", () => {
  check(2_000, Array(6).fill("none"), [4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  check(60_000, ["none"], [60_000]);
});

test("a runtime that takes 3 s keeps its 4 s, however often it answers", () => {
  check(2_000, ["none", 3_000, 3_000, 3_000], [4_000, 4_000, 4_000, 4_000]);
});

test("quick answers bring it back, never below where it began", () => {
  check(2_000, ["none", "none", "none", 5, 5, 5, 5], [4_000, 8_000, 16_000, 8_000, 4_000, 2_000, 2_000]);
  check(
    2_000,
    ["none", "none", "none", "none", 5, 5, 5, 5],
    [4_000, 8_000, 16_000, 30_000, 15_000, 7_500, 3_750, 2_000],
  );
});
