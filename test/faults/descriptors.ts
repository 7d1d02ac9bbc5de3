// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { command } from "../kit/mounts.ts";
import { hasProgram } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import { accountOf, assertBalanced, describeAccounts } from "./accounts.ts";
import type { Life } from "./life.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { DISK, type Scene, setScene } from "./scene.ts";
import { assertNothingLost, describeVerdict } from "./verdict.ts";

const LONG_ROUNDS = 20;
const SHORT_ROUNDS = 2;
const WITHOUT_MS = 1_000;

function openFiles({ pid }: Life): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function limitOf({ pid }: Life): number {
  const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
}

function setLimit({ pid }: Life, files: number): void {
  command("prlimit", "--pid", String(pid), `--nofile=${files}:`);
}

/** Takes the right to open files from the agent for a while, in which it also loses its connection to the destination. */
async function starve({ scene, life, usual }: { scene: Scene; life: Life; usual: number }): Promise<void> {
  const { random, recorder } = scene;
  await recorder.setMode(random() < 0.5 ? "refusing" : "up");
  // Sometimes the limit is below the number of open files, so that no closed file can be opened again.
  const limit = Math.max(4, openFiles(life) - Math.floor(random() * 8));
  setLimit(life, limit);
  await sleep(WITHOUT_MS / 2);
  await recorder.setMode("up");
  await sleep(WITHOUT_MS / 2);
  assert.ok(!life.hasEnded(), `the agent has ended:\n${life.stderr()}`);
  setLimit(life, usual);
  const ids = [...scene.simulator.sandboxes.keys()];
  const before = ids.map((id) => recorder.kept.countedOf(id).length);
  await poll(
    "all sandboxes to be scraped again",
    () =>
      ids.every((id, index) => recorder.kept.countedOf(id).length > (before[index] ?? 0) + 1) || undefined,
    60_000,
  );
}

async function run({ seed, long, print }: Scale): Promise<void> {
  const scene = await setScene({ seed });
  try {
    const life = await scene.start();
    await sleep(500);
    const usual = limitOf(life);
    const rounds = long ? LONG_ROUNDS : SHORT_ROUNDS;
    for (let round = 0; round < rounds; round++) await starve({ scene, life, usual });
    const log = life.stderr();
    await scene.drain(life);
    const account = accountOf(await life.counters(), DISK, scene.recorder.kept);
    assert.equal((await life.stop("SIGTERM")).code, 0);
    const verdict = scene.judge();
    print(`${rounds} times no descriptors; the log has ${log.split("EMFILE").length - 1} EMFILE`);
    print(`${describeVerdict(verdict)}\n${describeAccounts([account])}`);
    // A queue without block_on_overflow loses the readings for which no segment can be opened, and counts them.
    assertBalanced(account);
    if (account.counted === 0) assertNothingLost(verdict);
    assert.match(log, /EMFILE/, "the agent did run out of descriptors, and said so");
    assert.doesNotMatch(log, /BUG/);
  } finally {
    await scene.close();
  }
}

export const descriptors: Scenario = {
  name: "descriptors",
  summary: "no more files can be opened for a while",
  lacks: () => (hasProgram("prlimit") ? undefined : "prlimit"),
  run,
};
