// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { testSettings } from "../../../test/kit/component/settings.ts";
import { knownSandbox } from "../../../test/kit/kata/sandbox.ts";
import { fakeWitness } from "../../../test/kit/kata/witness.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import { WITNESSES } from "../../kata/witnesses.ts";
import { createHost } from "../../pipeline/host.ts";
import { StatusBoard } from "../../pipeline/statuses.ts";
import type { RootState } from "./discovery/root_state.ts";
import { ReceiverStatus } from "./receiver_status.ts";
import type { Condition } from "./sandbox/condition.ts";
import type { Sandbox } from "./sandbox/sandbox.ts";

const NOW = { unixMs: 0, monotonicMs: 0 };
type Row = Pick<Condition, "state" | "code"> & { readonly reason?: string };

const UP: Row = { state: "up", code: "" };
const STARTING: Row = { state: "pending", code: "no_socket", reason: "no socket yet" };
const UNREADABLE: Row = { state: "pending", code: "unreadable", reason: "EACCES; run as uid 0" };
const STALE: Row = { state: "stale", code: "refused", reason: "ECONNREFUSED" };
const HUNG: Row = { state: "failing", code: "timeout", reason: "no whole answer" };
const UNPROVED: Row = { state: "pending", code: "unproved", reason: "name the runtime" };
const UNSAFE: Row = { state: "unsafe", code: "qemu" };
const ENDING: Row = { state: "ending", code: "removal" };

/** A status over these sandboxes, which are called a, b, c …; the pod of a is shop/web-1. */
function scene(rows: readonly Row[], roots: readonly RootState[] = [{ state: "readable" }]) {
  const clock = new FakeClock();
  const statuses = new StatusBoard(clock);
  const host = { ...createHost(), statuses };
  host.single(WITNESSES).add("cri", fakeWitness({ pods: { a: "shop/web-1" }, listed: ["a"] }));
  const sandboxes = new Map<string, Sandbox>();
  for (const [index, row] of rows.entries()) {
    const id = String.fromCharCode(97 + index);
    sandboxes.set(id, knownSandbox(id, { now: NOW, ...row }));
  }
  const status = new ReceiverStatus(testSettings({ id: "kata", host, clock }), roots.length, sandboxes);
  for (const [index, root] of roots.entries()) status.rootState(`/root${index}`, root);
  status.report();
  return { host, status, statuses, clock, now: () => statuses.components()[0] ?? assert.fail() };
}

/** Returns the status after the sandboxes have been in this state for `afterMs`. */
async function check(rows: readonly Row[], want: RegExp | undefined, afterMs = 10_000): Promise<void> {
  const { status, clock, now } = scene(rows);
  await clock.advance(afterMs);
  status.report();
  const { state, error } = now();
  if (want === undefined) assert.deepEqual([state, error], ["ok", ""], JSON.stringify(rows));
  else {
    assert.equal(state, "recoverable_error", JSON.stringify(rows));
    assert.match(error, want);
  }
}

test("the status is ok while one sandbox is up, or none needs to answer", async () => {
  await check([], undefined);
  await check([UP, HUNG, STALE], undefined);
  await check([{ state: "up", code: "slow" }, HUNG], undefined);
  await check([STARTING, UNSAFE, ENDING], undefined);
});

test("a shim that refuses while it starts, or has not proved its runtime yet, is no fault before the time of a start is over", async () => {
  await check([STALE, UNPROVED], undefined, 9_999);
  await check([UNPROVED, STARTING], undefined, 59_999);
  await check([UNPROVED, STARTING], /^none .* does: "shop\/web-1"; .*name the runtime$/, 60_000);
});

test("if no sandbox answers, the status says why, whose pods these are, and the way out", async () => {
  await check(
    [UNREADABLE, UNREADABLE],
    /^none of the sandboxes can be looked at: "shop\/web-1", "b"; of sandbox "a": EACCES; run as uid 0$/,
  );
  await check(
    [STALE, STARTING],
    /^all sandboxes are stale, since nobody listens on their sockets: "shop\/web-1"; /,
  );
  await check([HUNG, STALE], /^none of the sandboxes that should answer does: "shop\/web-1", "b"; /);
  await check([UNSAFE, HUNG], /does: "b"; of sandbox "b": no whole answer$/);
  await check([HUNG, HUNG, HUNG, HUNG, HUNG], /"shop\/web-1", "b", "c" and 2 more; /);
});

test("the status is an error if all sandboxes lack a socket for over a minute while their pods run", async () => {
  const { status, clock, now } = scene([STARTING]);
  await clock.advance(61_000);
  status.report();
  assert.match(
    now().error,
    /^none of the sandboxes that should answer does: "shop\/web-1"; .*: no socket yet$/,
  );
});

test("a removed root is a permanent error, whatever else is wrong", () => {
  const removed = { state: "removed", error: "cannot see root" } as const;
  const { state, error, needsRestart } = scene(
    [HUNG],
    [{ state: "unreadable", error: "EIO" }, removed],
  ).now();
  assert.deepEqual([state, error, needsRestart], ["permanent_error", "cannot see root", true]);
});

test("a root that cannot be read is a recoverable error that names the root", () => {
  const { status, now } = scene([UP], [{ state: "unreadable", error: 'cannot look at "/root0": EACCES' }]);
  assert.deepEqual([now().state, now().error], ["recoverable_error", 'cannot look at "/root0": EACCES']);
  assert.equal(now().needsRestart, false);
  status.rootState("/root0", { state: "missing" });
  assert.equal(now().state, "ok");
});

test("readiness waits until every root has been scanned, whatever its state, or the receiver ends", () => {
  const { status, statuses } = scene([], []);
  const settled = new ReceiverStatus(testSettings({ host: { ...createHost(), statuses } }), 2, new Map());
  settled.holdReadiness();
  settled.rootState("/one", { state: "missing" });
  assert.match(statuses.unreadyReasons().join(), /the roots have not been looked at yet/);
  settled.rootState("/one", { state: "readable" });
  assert.equal(statuses.unreadyReasons().length, 1);
  settled.rootState("/other", { state: "missing" });
  assert.deepEqual(statuses.unreadyReasons(), []);
  const release = status.holdReadiness();
  assert.equal(statuses.unreadyReasons().length, 1);
  release();
  assert.deepEqual(statuses.unreadyReasons(), []);
});

test("the status is an error if the runtime knows pods that are under no root, whatever else answers", () => {
  const { host, status, now } = scene([UP]);
  const missingPods = "cannot find sandboxes of ready pods";
  const takeBack = host.single(WITNESSES).add("blind", fakeWitness({ listed: [], missingPods }));
  status.report();
  assert.deepEqual([now().state, now().error], ["recoverable_error", missingPods]);
  takeBack();
  status.report();
  assert.equal(now().state, "ok");
});
