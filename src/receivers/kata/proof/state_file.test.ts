// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { lstatSync, readFileSync, type Stats } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { StateFile } from "./state_file.ts";

const CLH = '{"hypervisor":{"hypervisor_type":"clh"}}';

async function withState(
  text: string,
  play: (path: string, stat: Stats) => void | Promise<void>,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "state-"));
  try {
    const path = join(dir, "state.json");
    await writeFile(path, text);
    await play(path, lstatSync(path));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

interface Row {
  /** The mtimes of the socket and of state.json, and the time of the look. */
  readonly bound: number;
  readonly written: number;
  readonly now: number;
  /** The ctimes, if they differ from the mtimes. */
  readonly stateChanged?: number;
  readonly socketChanged?: number;
  /** Whether state.json came after the socket had been seen. */
  readonly comesLater?: boolean;
}

function check(row: Row, want: "own" | "older"): Promise<void> {
  return withState(CLH, (path, real) => {
    const dated = (mtimeMs: number, ctimeMs = mtimeMs): Stats =>
      Object.assign(Object.create(Object.getPrototypeOf(real) as object), {
        ...real,
        mtimeMs,
        ctimeMs,
      }) as Stats;
    const stat = dated(row.written, row.stateChanged);
    const socket = dated(row.bound, row.socketChanged);
    const first = row.comesLater === true ? undefined : stat;
    const file = new StateFile(path, socket, { stat: first, nowMs: row.now });
    if (row.comesLater === true) assert.equal(file.reading(undefined, row.now).kind, "absent");
    assert.equal(file.reading(stat, row.now).kind === "older" ? "older" : "own", want, JSON.stringify(row));
  });
}

test("a state belongs to the socket when it was written at the same time or later", async () => {
  await check({ bound: 1_000, written: 1_000, now: 9_000 }, "own");
  await check({ bound: 1_000, written: 2_000, now: 9_000 }, "own");
  await check({ bound: 1_000, written: 999, now: 9_000 }, "older");
});

test("changes of owner, mode, label and name make neither file newer", async () => {
  await check({ bound: 1_000, written: 900, stateChanged: 2_000, now: 9_000 }, "older");
  await check({ bound: 1_000, socketChanged: 5_000, written: 2_000, now: 9_000 }, "own");
  await check({ bound: 1_000, written: 900, stateChanged: 2_000, comesLater: true, now: 9_000 }, "older");
});

test("after the clock was set back, the state.json of a safe shim does not vouch for an unsafe one", async () => {
  // The old state.json is dated later than now, and later than the socket that was made after it.
  await check({ written: 8_000, bound: 1_000, now: 2_000 }, "older");
  await withState(CLH, (path, real) => {
    const socket = Object.assign(lstatSync(path), { mtimeMs: real.mtimeMs - 60_000 });
    const file = new StateFile(path, socket, { stat: real, nowMs: real.mtimeMs - 30_000 });
    assert.equal(file.reading(real, real.mtimeMs - 30_000).kind, "older");
    assert.equal(file.reading(real, real.mtimeMs + 30_000).kind, "older", "time alone proves nothing");
  });
});

test("after the clock was set back, a safe shim need not wait if its files or the agent know the order", async () => {
  await check({ bound: 7_000, written: 8_000, now: 2_000 }, "own");
  await check({ bound: 7_000, written: 2_000, now: 2_000, comesLater: true }, "own");
});

test("a file that has not changed is read once, or again while its times can hide a change", () =>
  withState(CLH + " ".repeat(200_000), (path, stat) => {
    const readBytes = (): number => Number(/^rchar: (\d+)/.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
    const bytesOf = (nowMs: number): number => {
      const before = readBytes();
      for (let look = 0; look < 10; look++) assert.equal(file.reading(stat, nowMs).kind, "named");
      return readBytes() - before;
    };
    const file = new StateFile(path, stat, { stat, nowMs: stat.mtimeMs });
    assert.ok(bytesOf(stat.ctimeMs + 500) > 10 * 200_000);
    assert.ok(bytesOf(stat.ctimeMs + 2_000) < 2 * 200_000);
    assert.ok(bytesOf(stat.ctimeMs + 3_000) < 200_000);
  }));

test("a file that is replaced before it is read is pending", () =>
  withState(CLH, async (path, stat) => {
    const file = new StateFile(path, stat, { stat, nowMs: stat.mtimeMs });
    await writeFile(path, `${CLH} `);
    assert.equal(file.reading(stat, stat.mtimeMs + 60_000).kind, "writing");
    const now = lstatSync(path);
    assert.equal(file.reading(now, now.mtimeMs + 60_000).kind, "named");
  }));
