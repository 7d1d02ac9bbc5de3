// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ScrapeFault } from "../scraping/scrape.ts";
import {
  type Condition,
  conditionAfter,
  type Finding,
  isStarting,
  newCondition,
  pauseMs,
  WELL,
} from "./condition.ts";
import type { SandboxState } from "./sandbox_state.ts";

const START = { unixMs: 1_000_000, monotonicMs: 5_000 };
const NEW = newCondition(START);
const NO_SOCKET: Finding = {
  kind: "not_ready",
  why: { state: "pending", code: "no_socket", reason: "no socket" },
};
const UNSAFE: Finding = { kind: "not_ready", why: { state: "unsafe", code: "qemu", reason: "has qemu" } };
const REMOVAL: Finding = { kind: "not_ready", why: { state: "ending", code: "removal", reason: "goes" } };
const SLOW: Finding = { kind: "answered", complaint: { code: "slow", reason: "took long" } };

function failed(fault: ScrapeFault): Finding {
  return { kind: "failed", fault, text: fault };
}

/** The condition of a sandbox after each of these findings, which come a second after each other. */
function follow(findings: readonly Finding[]): readonly Condition[] {
  let condition = NEW;
  return findings.map((finding, index) => {
    const ms = (index + 1) * 1_000;
    const now = { unixMs: START.unixMs + ms, monotonicMs: START.monotonicMs + ms };
    condition = conditionAfter(condition, finding, { now, intervalMs: 15_000 });
    return condition;
  });
}

/** Checks the condition of a new sandbox after these findings: state, broken-off scrapes, refusals. */
function check(findings: readonly Finding[], want: readonly [SandboxState, number, number]): void {
  const { state, breakOffs, refusals } = follow(findings).at(-1) ?? NEW;
  assert.deepEqual([state, breakOffs, refusals], want, JSON.stringify(findings));
}

test("each finding has its state", () => {
  check([], ["pending", 0, 0]);
  check([NO_SOCKET], ["pending", 0, 0]);
  check([UNSAFE], ["unsafe", 0, 0]);
  check([WELL], ["up", 0, 0]);
  check([SLOW], ["up", 0, 0]);
  check([failed("refused")], ["stale", 0, 1]);
  check([failed("missing")], ["pending", 0, 0]);
  check([WELL, REMOVAL], ["ending", 0, 0]);
  for (const fault of ["status", "truncated", "unusable", "unreachable"] as const)
    check([WELL, failed(fault)], ["failing", 0, 0]);
  for (const fault of ["timeout", "malformed", "too_big"] as const)
    check([WELL, failed(fault)], ["failing", 1, 0]);
});

test("scrapes that were broken off, and refusals, are counted in a row", () => {
  check([failed("timeout"), failed("timeout")], ["failing", 2, 0]);
  check([failed("timeout"), WELL, failed("timeout")], ["failing", 1, 0]);
  check([failed("timeout"), failed("status")], ["failing", 0, 0]);
  check([failed("timeout"), NO_SOCKET, failed("timeout")], ["failing", 2, 0]);
  check([failed("refused"), failed("refused"), failed("refused")], ["stale", 0, 3]);
  check([failed("refused"), WELL], ["up", 0, 0]);
  check([failed("timeout"), failed("refused")], ["stale", 0, 1]);
});

test("the time of the next scrape is known only if scrapes were broken off", () => {
  const put = follow([
    failed("timeout"),
    failed("timeout"),
    NO_SOCKET,
    failed("timeout"),
    WELL,
    failed("status"),
  ]);
  const pauses = put.map(({ nextScrape }, index) =>
    nextScrape === undefined ? undefined : nextScrape.unixMs - START.unixMs - (index + 1) * 1_000,
  );
  assert.deepEqual(pauses, [30_000, 60_000, undefined, 120_000, undefined, undefined]);
  const [first] = put;
  assert.equal(first?.nextScrape?.monotonicMs, START.monotonicMs + 31_000, "by both clocks");
});

test("a condition has its reason as a code and a text, and has none when nothing is wrong", () => {
  const [unsafe, slow, well, status] = follow([UNSAFE, SLOW, WELL, failed("status")]);
  assert.deepEqual([unsafe?.code, unsafe?.reason], ["qemu", "has qemu"]);
  assert.deepEqual([slow?.code, slow?.reason], ["slow", "took long"]);
  assert.deepEqual([well?.code, well?.reason], ["", ""]);
  assert.deepEqual([status?.code, status?.reason], ["status", "status"]);
});

test("since is the time of the last change of state or code, and one object until the next", () => {
  const findings = [NO_SOCKET, NO_SOCKET, WELL, WELL, SLOW, SLOW, WELL, failed("status"), failed("timeout")];
  const seconds = follow(findings).map(({ since }) => (since.unixMs - START.unixMs) / 1_000);
  assert.deepEqual(seconds, [1, 1, 3, 3, 5, 5, 7, 8, 9]);
  const [one, other] = follow([failed("refused"), failed("refused")]);
  assert.equal(one?.since, other?.since);
});

test("a sandbox that goes on answering as it should has the same condition, object and all", () => {
  const [one, other] = follow([WELL, WELL]);
  assert.equal(one, other);
});

test("the steps of a pod's start differ from conditions that need an operator", () => {
  assert.ok(isStarting(NEW));
  const [waiting] = follow([NO_SOCKET]);
  assert.ok(waiting !== undefined && isStarting(waiting));
  const why = { state: "pending", code: "unreadable", reason: "EACCES" } as const;
  for (const condition of follow([{ kind: "not_ready", why }, UNSAFE, failed("status"), WELL]))
    assert.ok(!isStarting(condition), condition.code);
});

test("broken-off scrapes double the pause up to five minutes", () => {
  assert.equal(pauseMs(1, 15_000), 30_000);
  assert.equal(pauseMs(2, 15_000), 60_000);
  assert.equal(pauseMs(60, 15_000), 300_000);
  assert.equal(pauseMs(1, 600_000), 600_000);
});
