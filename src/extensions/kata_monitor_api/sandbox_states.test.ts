// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { sandboxStatus } from "../../../test/kit/kata/sandbox_status.ts";
import { statesHtml, statesText } from "./sandbox_states.ts";

const NOW_MS = Date.parse("2026-11-29T12:00:00Z");
const TERMINAL = 120;
const UP = sandboxStatus("b".repeat(64), {
  pod: { uid: "u", namespace: "shop", name: "checkout-8zjhx5dkk-r898k" },
  isListed: true,
  sinceMs: NOW_MS - 3_720_000,
  lastAnswerMs: NOW_MS - 4_000,
});
const UNSAFE = sandboxStatus("a".repeat(64), {
  directory: `/run/kata/${"a".repeat(64)}`,
  runtime: "rs",
  state: "unsafe",
  code: "unknown_hypervisor",
  reason: 'says "<script>\n\u001b[31m',
  sinceMs: NOW_MS - 60_000,
  lastAnswerMs: undefined,
});
const FAILING = sandboxStatus("c".repeat(64), {
  state: "failing",
  code: "timeout",
  reason: "no answer within 10 s",
  sinceMs: NOW_MS - 840_000,
  lastAnswerMs: NOW_MS - 850_000,
  nextScrapeMs: NOW_MS + 160_000,
});

test("text is a table with the reasons last, then one with exact times and directories", () => {
  const lines = statesText([UP, UNSAFE, FAILING], NOW_MS).split("\n");
  assert.deepEqual(lines, [
    "POD                            STATE                      SINCE  ANSWERED  LISTED   RUNTIME  SANDBOX       REASON",
    '-                              unsafe unknown_hypervisor  1m     never     unknown  rs       aaaaaaaaaaaa  says "<script>\\n\\u001b[31m',
    "-                              failing timeout            14m    14m10s    unknown  go       cccccccccccc  no answer within 10 s; next scrape in 2m40s",
    "shop/checkout-8zjhx5dkk-r898k  up                         1h2m   4s        yes      go       bbbbbbbbbbbb",
    "",
    "SINCE                 LAST ANSWER           DIRECTORY",
    `2026-11-29T11:59:00Z  never                 /run/kata/${"a".repeat(64)}`,
    `2026-11-29T11:46:00Z  2026-11-29T11:45:50Z  /run/vc/sbs/${"c".repeat(64)}`,
    `2026-11-29T10:58:00Z  2026-11-29T11:59:56Z  /run/vc/sbs/${"b".repeat(64)}`,
    "",
  ]);
});

test("the columns of a text fit a terminal, whatever the reasons are", () => {
  const lines = statesText([UP, UNSAFE, FAILING], NOW_MS).split("\n");
  const reasonAt = lines[0]?.indexOf("REASON") ?? TERMINAL;
  for (const line of lines) assert.ok(line.slice(0, reasonAt).length < TERMINAL - "REASON".length);
  for (const line of lines.slice(5)) assert.ok(line.length <= TERMINAL, line);
});

test("HTML has the same, escaped, and the whole id in one piece", () => {
  const html = statesHtml([UP, UNSAFE, FAILING], NOW_MS);
  assert.ok(!html.includes("<script>") && html.includes("&quot;&lt;script&gt;\\n\\u001b[31m"), html);
  assert.ok(html.includes("3 in all, 1 unsafe unknown_hypervisor, 1 failing timeout, 1 up"));
  assert.ok(html.includes("<b>shop/checkout-8zjhx5dkk-r898k</b>"));
  assert.ok(html.includes(`/run/kata/<span class="id">${"a".repeat(64)}</span>`));
  assert.ok(html.includes("in 2m40s <small>2026-11-29T12:02:40Z</small>"));
  assert.ok(html.indexOf("unsafe unknown") < html.indexOf("failing timeout"));
});

test("a node without sandboxes has tables without rows", () => {
  assert.match(statesText([], NOW_MS), /^POD .*REASON\n\nSINCE .*DIRECTORY\n$/);
  assert.ok(statesHtml([], NOW_MS).includes("0 in all"));
});

test("a sandbox that is up and over its limits says which, behind a reason that it has", () => {
  const over = { limits: ["labels", "samples"] };
  const text = statesText(
    [
      { ...UP, ...over },
      { ...FAILING, ...over },
    ],
    NOW_MS,
  );
  assert.match(text, /bbbbbbbbbbbb {2}over its limits: labels, samples\n/);
  assert.match(text, /cccccccccccc {2}no answer within 10 s; next scrape in 2m40s\n/);
  const slow = { code: "slow", reason: "took long" };
  assert.match(
    statesText([{ ...UP, ...over, ...slow }], NOW_MS),
    /took long; over its limits: labels, samples\n/,
  );
});
