// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lacksMounts, mountTmpfs } from "../kit/mounts.ts";
import { poll } from "../kit/poll.ts";
import { accountOf, assertBalanced, describeAccounts, exporterIn, watchAccounts } from "./accounts.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { DISK, exporterTo, type Scene, startScene } from "./scene.ts";
import { assertNothingLost, describeVerdict } from "./verdict.ts";
import type { AgentConfig, WatchedAgent } from "./watched_agent.ts";

const DISK_BYTES = 1024 * 1024;
const LONG_ROUNDS = 10;
const FULL_MS = 300;

/** Returns the scene's configuration with `block_on_overflow`, so that nothing is scraped while the queue is full. */
function asking(scene: Scene): AgentConfig {
  const queue = { storage: "file_storage", block_on_overflow: true };
  return { ...scene.config(), exporters: { [DISK]: exporterTo(scene.recorder.address, queue) } };
}

async function untilFull(agent: WatchedAgent): Promise<number> {
  return await poll(
    "a scrape that is skipped since there is no room",
    async () => (await agent.counters()).skipped.get("queue_full") || undefined,
  );
}

/** Fills the disk, kills the agent, starts it on the full disk, and then lets the destination take data again. */
async function fillAndEmpty(scene: Scene): Promise<number> {
  await scene.recorder.setMode("unavailable");
  const first = await scene.start(asking(scene));
  let skipped = await untilFull(first);
  await sleep(scene.random() * FULL_MS);
  assert.equal(exporterIn(await first.counters(), DISK).enqueueFailed, 0, "the full disk has cost nothing");
  await scene.kill(first);

  const second = await scene.start(asking(scene));
  skipped += await untilFull(second);
  scene.lookAtDisk();
  await scene.recorder.setMode("up");
  await poll("room on the disk", async () => {
    const own = exporterIn(await second.counters(), DISK);
    assert.equal(own.enqueueFailed, 0, "the full disk has cost nothing");
    return own.queueSize < DISK_BYTES / 3 || undefined;
  });
  await scene.interrupt(() => second.stop("SIGTERM"));
  return skipped;
}

/** Fills the disk of a queue without `block_on_overflow`, which must count what it has no space for. */
async function loseAndCount(scene: Scene): Promise<string> {
  await scene.recorder.setMode("unavailable");
  const agent = await scene.start();
  const watch = watchAccounts(agent);
  await poll(
    "readings to be lost",
    async () => exporterIn(await agent.counters(), DISK).enqueueFailed > 0 || undefined,
  );
  await sleep(FULL_MS);
  await scene.drain(agent);
  await watch.stop();
  const account = accountOf(await agent.counters(), DISK, scene.recorder.kept);
  assert.equal((await agent.stop("SIGTERM")).code, 0);
  assert.match(agent.stderr(), /no space left on device/i);
  assertBalanced(account);
  return describeAccounts([account]);
}

/** Runs the work with a scene whose queue has a small disk for itself. */
async function onSmallDisk<T>(seed: number, work: (scene: Scene) => Promise<T>): Promise<T> {
  const mount = mountTmpfs(DISK_BYTES);
  const scene = await startScene({ seed, storage: join(mount.path, "storage") });
  try {
    return await work(scene);
  } finally {
    await scene.close();
    mount.close();
  }
}

async function run({ seed, long, print }: Scale): Promise<void> {
  await onSmallDisk(seed, async (scene) => {
    let skipped = 0;
    for (let round = 0; round < (long ? LONG_ROUNDS : 1); round++) skipped += await fillAndEmpty(scene);
    const agent = await scene.start(asking(scene));
    await scene.drain(agent);
    assert.equal((await agent.stop("SIGTERM")).code, 0);
    const verdict = scene.judge();
    print(`block_on_overflow: ${skipped} scrapes not made for a full disk\n${describeVerdict(verdict)}`);
    assertNothingLost(verdict);
    assert.ok(verdict.onDisk > 0, "something was on the disk");
  });
  print(`without: ${await onSmallDisk(seed, loseAndCount)}`);
}

export const diskFull: Scenario = {
  name: "disk-full",
  summary: "a disk that fills up under the queue, with a kill -9 and a start on the full disk",
  lacks: lacksMounts,
  run,
};
