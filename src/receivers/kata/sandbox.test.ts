import assert from "node:assert/strict";
import { test } from "node:test";
import { createHost } from "../../pipeline/host.ts";
import type { SandboxState } from "./own_families.ts";
import { ReadinessCheck } from "./readiness.ts";
import { type Finding, NEW, outranks, Sandbox, type Standing, standingAfter, statusOf } from "./sandbox.ts";
import type { ScrapeFault } from "./scrape.ts";

const ANSWERED: Finding = { kind: "answered" };
const NO_SOCKET: Finding = {
  kind: "not_ready",
  why: { state: "pending", code: "no_socket", reason: "no socket" },
};
const UNSAFE: Finding = { kind: "not_ready", why: { state: "unsafe", code: "qemu", reason: "has qemu" } };
const REMOVAL: Finding = { kind: "not_ready", why: { state: "ending", code: "removal", reason: "goes" } };

function failed(fault: ScrapeFault): Finding {
  return { kind: "failed", fault, text: fault };
}

/** Where a new sandbox stands after these findings, one after the other: state, broken-off scrapes, refusals. */
function check(findings: readonly Finding[], want: readonly [SandboxState, number, number]): void {
  const { state, breakOffs, refusals } = findings.reduce<Standing>(standingAfter, NEW);
  assert.deepEqual([state, breakOffs, refusals], want, JSON.stringify(findings));
}

test("each finding has its state", () => {
  check([], ["pending", 0, 0]);
  check([NO_SOCKET], ["pending", 0, 0]);
  check([UNSAFE], ["unsafe", 0, 0]);
  check([ANSWERED], ["up", 0, 0]);
  check([failed("refused")], ["stale", 0, 1]);
  check([failed("missing")], ["pending", 0, 0]);
  check([ANSWERED, REMOVAL], ["ending", 0, 0]);
  for (const fault of ["status", "truncated", "unusable", "unreachable"] as const)
    check([ANSWERED, failed(fault)], ["failing", 0, 0]);
  for (const fault of ["timeout", "malformed", "too_big"] as const)
    check([ANSWERED, failed(fault)], ["failing", 1, 0]);
});

test("scrapes that were broken off, and refusals, are counted in a row", () => {
  check([failed("timeout"), failed("timeout")], ["failing", 2, 0]);
  check([failed("timeout"), ANSWERED, failed("timeout")], ["failing", 1, 0]);
  check([failed("timeout"), failed("status")], ["failing", 0, 0]);
  check([failed("refused"), failed("refused"), failed("refused")], ["stale", 0, 3]);
  check([failed("refused"), ANSWERED], ["up", 0, 0]);
  check([failed("timeout"), failed("refused")], ["stale", 0, 1]);
});

test("the reason says why it is not up, and goes when it is", () => {
  assert.equal(standingAfter(NEW, failed("status")).reason, "status");
  assert.equal(standingAfter(NEW, UNSAFE).reason, "has qemu");
  assert.equal(standingAfter(NEW, UNSAFE).code, "qemu");
  assert.equal(standingAfter(NEW, failed("status")).code, "status");
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
    readiness: new ReadinessCheck(found, { allowed: [], nowMs: () => 0 }),
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

test("a shim seems to run where its socket is there and nobody found it dead", () => {
  const hasShim = (...findings: readonly Finding[]): boolean => {
    const made = sandbox(0, "up");
    made.standing = findings.reduce<Standing>(standingAfter, NEW);
    return statusOf(made, createHost().witnesses).hasShim;
  };
  assert.ok(!hasShim());
  assert.ok(!hasShim(NO_SOCKET));
  assert.ok(!hasShim(failed("refused")));
  for (const finding of [ANSWERED, UNSAFE, REMOVAL, failed("timeout"), failed("status")])
    assert.ok(hasShim(finding), JSON.stringify(finding));
});

test("what is asked of one sandbox is asked in turn, whatever becomes of it", async () => {
  const one = sandbox(0, "up");
  const done: string[] = [];
  const first = one.inTurn(async () => {
    await Promise.resolve();
    done.push("first");
    throw new Error("no answer");
  });
  const second = one.inTurn(async () => void done.push("second"));
  await assert.rejects(first, /no answer/);
  await second;
  assert.deepEqual(done, ["first", "second"]);
});

test("an ended sandbox says so to what is under way", () => {
  const ended = sandbox(0, "up");
  assert.ok(!ended.ending.aborted);
  ended.end();
  assert.ok(ended.ended && ended.ending.aborted);
});
