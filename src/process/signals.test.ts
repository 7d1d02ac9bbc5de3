// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { hangups, ignoreSignals, stopSignal } from "./signals.ts";

test("the first stop signal aborts with its name, and each later one calls onSecond", () => {
  const source = new EventEmitter();
  let seconds = 0;
  const stop = stopSignal(source, () => seconds++);
  assert.equal(stop.aborted, false);
  source.emit("SIGTERM");
  assert.equal(stop.reason, "SIGTERM");
  source.emit("SIGINT");
  source.emit("SIGTERM");
  assert.deepEqual([stop.reason, seconds], ["SIGTERM", 2]);
});

test("a signal that comes again at once is the same one, as npm passes on what the terminal sends to both", () => {
  const source = new EventEmitter();
  let seconds = 0;
  let nowMs = 1_000;
  const stop = stopSignal(
    source,
    () => seconds++,
    () => nowMs,
  );
  const rows: [atMs: number, want: number][] = [
    [0, 0],
    [2, 0],
    [100, 0],
    [1_000, 1],
    [1_010, 1],
    [2_000, 2],
  ];
  for (const [atMs, want] of rows) {
    nowMs = 1_000 + atMs;
    source.emit("SIGINT");
    assert.deepEqual([stop.reason, seconds], ["SIGINT", want], `after ${atMs} ms`);
  }
});

test("a hangup before there is a listener reaches it later", () => {
  const source = new EventEmitter();
  const onHangup = hangups(source);
  let heard = 0;
  source.emit("SIGHUP");
  onHangup(() => heard++);
  assert.equal(heard, 1);
  source.emit("SIGHUP");
  assert.equal(heard, 2);
});

test("signals that by default open a debugger or end the process, and mean nothing here, have a listener", () => {
  const source = new EventEmitter();
  ignoreSignals(source);
  for (const signal of ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGIO", "SIGPWR"])
    assert.ok(source.emit(signal), signal);
  for (const signal of ["SIGQUIT", "SIGTSTP"]) assert.ok(!source.emit(signal), signal);
});
