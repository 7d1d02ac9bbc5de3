// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { Answers, roundedDuration } from "./answers.ts";

const TIMEOUT_MS = 10_000;
/** Pages, 15 s after each other: "w" is whole and quick, "p" lacks the guest's part, "s" took 9 s, "c" was cut off. */
function complaints(pages: string): readonly (string | undefined)[] {
  const answers = new Answers(TIMEOUT_MS);
  return Array.from(pages, (page, index) => {
    const nowMs = index * 15_000;
    if (page === "c") {
      answers.noteCutOff(nowMs);
      return "cut off";
    }
    const durationMs = page === "s" ? 9_000 : 20;
    return answers.note({ nowMs, durationMs, partial: page === "p" })?.reason;
  });
}

/** Checks that the complaint about the last page contains `want`, or that there is none. */
function check(pages: string, want: string | undefined): void {
  const got = complaints(pages).at(-1);
  if (want === undefined) assert.equal(got, undefined, pages);
  else assert.ok(got?.includes(want), `${pages}: ${got}`);
}

test("answers that are whole and quick have no complaint", () => {
  check("w", undefined);
  check("wwwwwwww", undefined);
});

test("a sandbox is slow after two answers in a row that took over half of the timeout, and well after a quick one", () => {
  check("s", undefined);
  check("ss", "the last two scrapes took 9s and 9s of the timeout of 10s");
  check("sws", undefined);
  check("ssw", undefined);
  check("scs", undefined);
});

test("the complaint about a page without the guest's part says what is known of the reason", () => {
  check("p", "no page has had it yet");
  check("pppppppppp", "no page has had it yet");
  check("wp", "it was there before");
  check("wcp", "this agent cut off a request 15s ago");
  check("wcpp", "it was there before");
  check("pw", undefined);
});

test("a guest's part that comes and goes is a complaint, also on the pages that have it", () => {
  check("wpwp", "comes and goes");
  check("wpwpw", "comes and goes");
  check("wpwpwwwwww", undefined);
  check("wpw", undefined);
});

test("a sandbox that is both slow and partial is called slow", () => {
  const answers = new Answers(TIMEOUT_MS);
  const slow = { nowMs: 0, durationMs: 6_000, partial: true };
  assert.equal(answers.note(slow)?.code, "partial");
  assert.equal(answers.note(slow)?.code, "slow");
});

test("durations are rounded for people", () => {
  const want = new Map([
    [0, "0s"],
    [350.7, "351ms"],
    [1_234, "1.2s"],
    [83_456, "1m23s"],
    [999.7, "1s"],
  ]);
  for (const [ms, text] of want) assert.equal(roundedDuration(ms), text);
});
