// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { knownSandbox } from "../../../../test/kit/kata/sandbox.ts";
import { fakeWitness } from "../../../../test/kit/kata/witness.ts";
import { WITNESSES } from "../../../kata/witnesses.ts";
import { createHost } from "../../../pipeline/host.ts";
import type { NotReady } from "../proof/verdict.ts";
import { NO_LIMITS } from "./answers.ts";
import { type Condition, conditionAfter, type Finding, newCondition, WELL } from "./condition.ts";
import { factsOf, outranks, type Sandbox, statusOf } from "./sandbox.ts";
import { sandboxNameOf } from "./sandbox_name.ts";
import type { SandboxState } from "./sandbox_state.ts";
import { isStuckPending } from "./starting.ts";

const START = { unixMs: 1_000_000, monotonicMs: 5_000 };

function sandbox(rank: number, state: SandboxState): Sandbox {
  return knownSandbox("a", { now: START, rank, state });
}

function notReady(state: NotReady["state"], code: NotReady["code"]): Finding {
  return { kind: "not_ready", why: { state, code, reason: code } };
}

function conditionOf(...findings: readonly Finding[]): Condition {
  const at = { now: START, intervalMs: 15_000 };
  return findings.reduce<Condition>((before, one) => conditionAfter(before, one, at), newCondition(START));
}

test("of two sandboxes with one id the one that is up is shown, else the first root's", () => {
  assert.ok(outranks(sandbox(1, "up"), sandbox(0, "stale")));
  assert.ok(!outranks(sandbox(0, "stale"), sandbox(1, "up")));
  assert.ok(outranks(sandbox(0, "up"), sandbox(1, "up")));
  assert.ok(!outranks(sandbox(1, "failing"), sandbox(0, "stale")));
});

test("a shim seems to run if its socket exists and has not refused", () => {
  const hasShim = (...findings: readonly Finding[]): boolean => {
    const made = sandbox(0, "up");
    made.condition = conditionOf(...findings);
    return statusOf(made, createHost().single(WITNESSES)).hasShim;
  };
  assert.ok(!hasShim());
  assert.ok(!hasShim(notReady("pending", "no_socket")));
  assert.ok(!hasShim({ kind: "failed", fault: "refused", text: "" }));
  const timeout = { kind: "failed", fault: "timeout", text: "" } as const;
  const slow = { kind: "answered", complaint: { code: "slow", reason: "" } } as const;
  for (const finding of [WELL, slow, notReady("unsafe", "qemu"), notReady("ending", "removal"), timeout])
    assert.ok(hasShim(finding), JSON.stringify(finding));
});

test("the status says whose pod it is, whether the runtime lists it, since when, and when it is asked next", () => {
  const witnesses = createHost().single(WITNESSES);
  const made = sandbox(0, "up");
  const { pod, isListed, nextScrapeMs, sinceMs } = statusOf(made, witnesses);
  assert.deepEqual([pod, isListed, nextScrapeMs, sinceMs], [undefined, undefined, undefined, START.unixMs]);
  witnesses.add("cri", fakeWitness({ pods: { a: "shop/web-1" }, listed: ["a"] }));
  made.condition = conditionOf({ kind: "failed", fault: "timeout", text: "too long" });
  const named = statusOf(made, witnesses);
  assert.deepEqual([named.pod?.namespace, named.pod?.name, named.isListed], ["shop", "web-1", true]);
  assert.equal(named.nextScrapeMs, START.unixMs + 30_000);
  assert.deepEqual(sandboxNameOf(made, witnesses), { sandbox: "a", pod: "shop/web-1" });
  assert.deepEqual(factsOf(made, witnesses), {
    lastAnswerMs: undefined,
    isListed: true,
    boot: undefined,
    limits: NO_LIMITS,
  });
});

test("a sandbox is stuck if it is pending for over a minute while the runtime lists it", () => {
  const witnesses = createHost().single(WITNESSES);
  const made = sandbox(0, "up");
  const isInVain = (afterMs: number): boolean => isStuckPending(made, START.monotonicMs + afterMs, witnesses);
  made.condition = conditionOf(notReady("pending", "no_socket"));
  assert.ok(!isInVain(3_600_000), "nobody lists it");
  const withdraw = witnesses.add("cri", fakeWitness({ listed: [] }));
  assert.ok(!isInVain(3_600_000), "a template of a VM, or what a pod has left");
  withdraw();
  witnesses.add("cri", fakeWitness({ listed: ["a"] }));
  assert.ok(isInVain(60_001));
  assert.ok(!isInVain(60_000));
  made.condition = conditionOf(WELL);
  assert.ok(!isInVain(3_600_000));
});

test("the requests to one sandbox are made one after the other, whether they succeed or not", async () => {
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

test("the end of a sandbox aborts its signal", () => {
  const ended = sandbox(0, "up");
  assert.ok(!ended.ending.aborted);
  ended.end();
  assert.ok(ended.ended && ended.ending.aborted);
});
