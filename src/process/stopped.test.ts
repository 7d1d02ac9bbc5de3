// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { stoppedOrAfter, unlessStopped } from "./stopped.ts";

test("a wait ends with the signal, also if that has come already, or after its time", async () => {
  await stoppedOrAfter(AbortSignal.abort());
  await stoppedOrAfter(new AbortController().signal, 1);
  const stop = new AbortController();
  const waiting = stoppedOrAfter(stop.signal, 3_600_000);
  stop.abort();
  await waiting;
});

test("a wait for a signal that has come already sets no timer, which would keep the process alive", async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const before = timers();
  await stoppedOrAfter(AbortSignal.abort(), 5_000);
  assert.equal(timers(), before);
});

test("work that ends resolves or rejects as usual, and work that hangs is given up a while after the signal", async () => {
  const stop = new AbortController();
  const options = { stop: stop.signal, graceMs: 1 };
  await unlessStopped(Promise.resolve(), options);
  await assert.rejects(unlessStopped(Promise.reject(new Error("no")), options), { message: "no" });
  const hanging = unlessStopped(new Promise(() => {}), options);
  stop.abort();
  await assert.rejects(hanging, /something in its start hangs/);
  await unlessStopped(Promise.resolve(), options);
});
