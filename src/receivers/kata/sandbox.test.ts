import assert from "node:assert/strict";
import { test } from "node:test";
import type { SandboxState } from "./own_families.ts";
import { type Finding, NEW, outranks, Sandbox, type Standing, standingAfter } from "./sandbox.ts";
import type { ScrapeFault } from "./scrape.ts";

const ANSWERED: Finding = { kind: "answered" };
const NO_SOCKET: Finding = { kind: "not_ready", state: "pending", reason: "no socket" };
const UNSAFE: Finding = { kind: "not_ready", state: "unsafe", reason: "qemu" };

function failed(fault: ScrapeFault): Finding {
  return { kind: "failed", fault, text: fault };
}

/** Where a new sandbox stands after these findings, one after the other: state, time-outs, refusals. */
function check(findings: readonly Finding[], want: readonly [SandboxState, number, number]): void {
  const { state, timeouts, refusals } = findings.reduce<Standing>(standingAfter, NEW);
  assert.deepEqual([state, timeouts, refusals], want, JSON.stringify(findings));
}

test("each finding has its state", () => {
  check([], ["pending", 0, 0]);
  check([NO_SOCKET], ["pending", 0, 0]);
  check([UNSAFE], ["unsafe", 0, 0]);
  check([ANSWERED], ["up", 0, 0]);
  check([failed("refused")], ["stale", 0, 1]);
  check([failed("missing")], ["pending", 0, 0]);
  for (const fault of ["malformed", "status", "truncated", "too_big", "unreachable"] as const)
    check([ANSWERED, failed(fault)], ["failing", 0, 0]);
});

test("time-outs and refusals are counted in a row", () => {
  check([failed("timeout"), failed("timeout")], ["failing", 2, 0]);
  check([failed("timeout"), ANSWERED, failed("timeout")], ["failing", 1, 0]);
  check([failed("timeout"), failed("status")], ["failing", 0, 0]);
  check([failed("refused"), failed("refused"), failed("refused")], ["stale", 0, 3]);
  check([failed("refused"), ANSWERED], ["up", 0, 0]);
  check([failed("timeout"), failed("refused")], ["stale", 0, 1]);
});

test("the reason says why it is not up, and goes when it is", () => {
  assert.equal(standingAfter(NEW, failed("status")).reason, "status");
  assert.equal(standingAfter(NEW, UNSAFE).reason, "qemu");
  assert.equal(standingAfter(standingAfter(NEW, UNSAFE), ANSWERED).reason, "");
});

function sandbox(rank: number, state: SandboxState): Sandbox {
  const root = { path: `/root${rank}`, runtime: "go" } as const;
  const identity = { key: "", bornMs: 0 };
  const found = { id: "a", root, directory: `/root${rank}/a`, identity };
  const made = new Sandbox(found, {
    resource: { key: "kata/a", attributes: [] },
    source: { parse: () => assert.fail() },
    rank,
    nowMs: 0,
  });
  made.standing = { ...NEW, state };
  return made;
}

test("of two sandboxes with one id the one that is up is shown, else the first root's", () => {
  assert.ok(outranks(sandbox(1, "up"), sandbox(0, "stale")));
  assert.ok(!outranks(sandbox(0, "stale"), sandbox(1, "up")));
  assert.ok(outranks(sandbox(0, "up"), sandbox(1, "up")));
  assert.ok(!outranks(sandbox(1, "failing"), sandbox(0, "stale")));
});

test("an ended sandbox says so to what is under way", () => {
  const ended = sandbox(0, "up");
  assert.ok(!ended.ending.aborted);
  ended.end();
  assert.ok(ended.ended && ended.ending.aborted);
});
