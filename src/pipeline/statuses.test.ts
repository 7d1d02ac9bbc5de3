// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../clock/fake_clock.ts";
import { ConcealedTexts } from "../text/concealed.ts";
import { StatusBoard } from "./statuses.ts";

const START_MS = 1_000;

function scene() {
  const clock = new FakeClock(START_MS);
  const board = new StatusBoard(clock);
  board.report("exporter", "out", "ok");
  /** State, error and since when, of the one component. */
  const now = (): unknown => {
    const [status] = board.components();
    return [status?.state, status?.error, (status?.sinceMs ?? 0) - START_MS];
  };
  return { clock, board, now };
}

test("no reason shows a concealed text", () => {
  const concealed = new ConcealedTexts();
  concealed.add("hunter2", "the token");
  const board = new StatusBoard(new FakeClock(), concealed);
  board.report("exporter", "out", "recoverable_error", "cannot post to http://h/hunter2");
  board.outdated("exporter", "out", "cannot read /hunter2");
  board.holdReadiness("exporter", "out", "waits for hunter2");
  assert.equal(board.components()[0]?.error, "cannot post to http://h/the token; cannot read /the token");
  assert.deepEqual(board.outdatedNow(), ['exporter "out": cannot read /the token']);
  assert.deepEqual(board.unreadyReasons(), ['exporter "out": waits for the token']);
});

test("old files make a component's state recoverable_error until they are replaced, whatever it reports", async () => {
  const { clock, board, now } = scene();
  await clock.advance(5);
  const isCurrent = board.outdated("exporter", "out", "key is cut off");
  assert.deepEqual(now(), ["recoverable_error", "key is cut off", 5]);
  board.report("exporter", "out", "starting");
  board.report("exporter", "out", "ok");
  assert.deepEqual(now(), ["recoverable_error", "key is cut off", 5]);
  assert.deepEqual(board.outdatedNow(), ['exporter "out": key is cut off']);
  isCurrent();
  assert.deepEqual(now(), ["ok", "", 5]);
  assert.deepEqual(board.outdatedNow(), []);
});

test("old files are reported together with a component's own error, unless that is worse or final", async () => {
  const { clock, board, now } = scene();
  const isCurrent = board.outdated("exporter", "out", "key is cut off");
  await clock.advance(7);
  board.report("exporter", "out", "recoverable_error", "no connection");
  assert.deepEqual(now(), ["recoverable_error", "no connection; key is cut off", 0]);
  board.report("exporter", "out", "permanent_error", "no such tenant");
  assert.deepEqual(now(), ["permanent_error", "no such tenant", 7]);
  board.report("exporter", "out", "recoverable_error", "no connection");
  isCurrent();
  assert.deepEqual(now(), ["recoverable_error", "no connection", 7]);
  board.outdated("exporter", "out", "key is cut off");
  board.report("exporter", "out", "stopped");
  assert.deepEqual(now(), ["stopped", "", 7]);
});

test("of two reports of old files, each ends by itself", () => {
  const { board, now } = scene();
  const leaving = board.outdated("exporter", "out", "old one");
  board.outdated("exporter", "out", "new one");
  board.outdated("exporter", "other", "nothing to do with it");
  leaving();
  assert.deepEqual(now(), ["recoverable_error", "new one", 0]);
});

test("restored states are those that were saved, without old files that have been replaced since", () => {
  const { board, now } = scene();
  const isCurrent = board.outdated("exporter", "out", "key is cut off");
  const restore = board.save();
  board.report("exporter", "out", "stopped");
  isCurrent();
  restore();
  assert.deepEqual(now(), ["ok", "", 0]);
});
