// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { sandboxStatus } from "../../../test/kit/kata/sandbox_status.ts";
import type { SandboxStatus } from "../../kata/sandboxes.ts";
import { describeSpan, sandboxRows } from "./sandbox_rows.ts";

const NOW_MS = Date.parse("2026-11-29T12:00:00.900Z");

function aged(id: string, seconds: number, change: Partial<SandboxStatus>): SandboxStatus {
  return sandboxStatus(id, { sinceMs: NOW_MS - seconds * 1_000, ...change });
}

test("the worst comes first, and among equally bad ones the longest in that state", () => {
  const want = [
    aged("unsafe", 1, { state: "unsafe", code: "qemu", reason: "a scrape ends its pod" }),
    aged("failing for long", 900, { state: "failing", code: "timeout", reason: "no answer" }),
    aged("failing", 10, { state: "failing", code: "timeout", reason: "no answer" }),
    aged("stale", 9_000, { state: "stale", code: "refused", reason: "nobody listens" }),
    aged("ending", 1, { state: "ending", code: "removal", reason: "it is being removed" }),
    aged("pending for long", 61, { state: "pending", code: "no_socket", reason: "there is no socket yet" }),
    aged("outlived its pod", 9_000, { isListed: false }),
    aged("up with a code", 20, { code: "slow", reason: "9 s of 10 s" }),
    aged("booting", 59, { state: "pending", code: "no_socket", reason: "there is no socket yet" }),
    aged("up for long", 9_000, { isListed: true }),
    aged("not listed yet", 59, { isListed: false }),
    aged("up", 10, {}),
  ];
  const got = sandboxRows(want.toReversed(), NOW_MS).map(({ id }) => id);
  assert.deepEqual(
    got,
    want.map(({ id }) => id),
  );
});

test("a state that the page does not know is among the worst", () => {
  const [first] = sandboxRows([sandboxStatus("a", {}), sandboxStatus("b", { state: "lost" })], NOW_MS);
  assert.deepEqual([first?.id, first?.severity], ["b", "bad"]);
});

test("a row has the pod, the state since when, the last answer, the next scrape and the reason", () => {
  const [row] = sandboxRows(
    [
      aged("c".repeat(64), 840, {
        pod: { uid: "u", namespace: "shop", name: "web-1" },
        isListed: true,
        state: "failing",
        code: "timeout",
        reason: 'says "\n\u001b[31m\u202e"',
        lastAnswerMs: undefined,
        nextScrapeMs: NOW_MS + 160_000,
      }),
    ],
    NOW_MS,
  );
  assert.deepEqual(row, {
    id: "c".repeat(64),
    shortId: "c".repeat(12),
    pod: "shop/web-1",
    state: "failing timeout",
    severity: "bad",
    since: { age: "14m", time: "2026-11-29T11:46:00Z" },
    lastAnswer: undefined,
    nextScrape: { age: "2m40s", time: "2026-11-29T12:02:40Z" },
    inRuntime: "yes",
    runtime: "go",
    reason: 'says "\\n\\u001b[31m\\u202e"',
    directory: `/run/vc/sbs/${"c".repeat(64)}`,
    hasShim: true,
  });
});

test("whether the runtime lists a sandbox may be unknown", () => {
  const listed = [true, false, undefined].map(
    (isListed) => sandboxRows([sandboxStatus("a", { isListed })], NOW_MS)[0]?.inRuntime,
  );
  assert.deepEqual(listed, ["yes", "no", "unknown"]);
});

test("a time that is due, or in the future because the clock was set, is shown as 0s", () => {
  const [row] = sandboxRows(
    [aged("a", -60, { lastAnswerMs: NOW_MS + 1, nextScrapeMs: NOW_MS - 5_000 })],
    NOW_MS,
  );
  assert.deepEqual([row?.since.age, row?.lastAnswer?.age, row?.nextScrape?.age], ["0s", "0s", "0s"]);
});

test("spans have at most two units", () => {
  const check = (seconds: number, want: string): void => assert.equal(describeSpan(seconds * 1_000), want);
  check(0, "0s");
  check(0.9, "0s");
  check(59, "59s");
  check(160, "2m40s");
  check(840, "14m");
  check(3 * 3_600 + 12 * 60 + 5, "3h12m");
  check(3 * 3_600 + 5, "3h");
  check(9 * 86_400 + 4 * 3_600, "9d4h");
});
