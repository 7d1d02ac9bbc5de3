// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { command } from "../kit/mounts.ts";
import { hasProgram } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import { accountOf, assertBalanced, describeAccounts } from "./accounts.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { DISK, type Scene, startScene } from "./scene.ts";
import { assertNothingLost, describeVerdict } from "./verdict.ts";
import type { WatchedAgent } from "./watched_agent.ts";

const LONG_ROUNDS = 20;
const SHORT_ROUNDS = 2;
const WITHOUT_MS = 1_000;

function openFiles({ pid }: WatchedAgent): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function limitOf({ pid }: WatchedAgent): number {
  const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
}

function setLimit({ pid }: WatchedAgent, files: number): void {
  command("prlimit", "--pid", String(pid), `--nofile=${files}:`);
}

/** Takes the right to open files from the agent for a while, in which it also loses its connection to the destination. */
async function starve({
  scene,
  agent,
  usual,
}: {
  scene: Scene;
  agent: WatchedAgent;
  usual: number;
}): Promise<void> {
  const { random, recorder } = scene;
  await recorder.setMode(random() < 0.5 ? "refusing" : "up");
  // Sometimes the limit is below the number of open files, so that no closed file can be opened again.
  const limit = Math.max(4, openFiles(agent) - Math.floor(random() * 8));
  setLimit(agent, limit);
  await sleep(WITHOUT_MS / 2);
  await recorder.setMode("up");
  await sleep(WITHOUT_MS / 2);
  assert.ok(!agent.hasEnded(), `the agent has ended:\n${agent.stderr()}`);
  setLimit(agent, usual);
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
  const scene = await startScene({ seed });
  try {
    const agent = await scene.start();
    await sleep(500);
    const usual = limitOf(agent);
    const rounds = long ? LONG_ROUNDS : SHORT_ROUNDS;
    for (let round = 0; round < rounds; round++) await starve({ scene, agent, usual });
    const log = agent.stderr();
    await scene.drain(agent);
    const account = accountOf(await agent.counters(), DISK, scene.recorder.kept);
    assert.equal((await agent.stop("SIGTERM")).code, 0);
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
