import assert from "node:assert/strict";
import { test } from "node:test";
import { describeStatus, retryAfterMs, toLogText } from "./answer.ts";

const NOW_MS = Date.UTC(2026, 10, 23, 12, 0, 0);

test("Retry-After is seconds or a date; a past date or nonsense is no wish", () => {
  const check = (header: string, want: number): void => assert.equal(retryAfterMs(header, NOW_MS), want);
  check("120", 120_000);
  check(" 0 ", 0);
  check("Mon, 23 Nov 2026 12:00:30 GMT", 30_000);
  check("Mon, 23 Nov 2026 11:00:00 GMT", 0);
  for (const text of ["", "soon", "-5", "1.5s"]) check(text, 0);
});

test("a status is described by its number, its name and the server's reason", () => {
  assert.equal(describeStatus(503, ""), "503 Service Unavailable");
  assert.equal(describeStatus(400, "too old"), "400 Bad Request: too old");
  assert.equal(describeStatus(599, "x"), "599: x");
});

test("a server's text becomes a part of one line", () => {
  assert.equal(toLogText(" a\n\n b\tc "), "a b c");
  assert.equal(toLogText("x".repeat(5_000)).length, 1_000);
});
