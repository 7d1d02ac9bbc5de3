// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { retryAfterMs } from "./retry_after.ts";

const NOW_MS = Date.UTC(2026, 10, 23, 12, 0, 0);

test("Retry-After is seconds or a date; a past date or nonsense means no wait", () => {
  const check = (header: string, want: number): void => assert.equal(retryAfterMs(header, NOW_MS), want);
  check("120", 120_000);
  check(" 0 ", 0);
  check("1.5", 1_500);
  check("3600.5", 3_600_500);
  check("Mon, 23 Nov 2026 12:00:30 GMT", 30_000);
  check("Monday, 23-Nov-26 12:00:30 GMT", 30_000);
  check("Mon, 23 Nov 2026 11:00:00 GMT", 0);
  for (const text of ["", "soon", "-5", "-1.5", "1.5s", "1e9", "120s", "2099-01-01", "at 2099", "Mon"])
    check(text, 0);
});
