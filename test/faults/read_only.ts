// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lacksFailingMounts, type Mount, mountExt4 } from "../kit/mounts.ts";
import { poll } from "../kit/poll.ts";
import { type Account, accountOf, assertBalanced, describeAccounts, watchAccounts } from "./accounts.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { DISK, exporterTo, type Scene, startScene } from "./scene.ts";
import { assertNothingLost, describeVerdict } from "./verdict.ts";

const FILLING_MS = 700;
const READ_ONLY_MS = 1_000;
/** How long the queue says that it has no space after a write has failed. */
const FAILED_MS = 10_000;

/**
 * Turns the disk read-only while the queue holds requests, which must still be sent. Only readings that are under way when
 * a write fails may be lost.
 */
async function writeProtect(scene: Scene, mount: Mount): Promise<Account> {
  const queue = { storage: "file_storage", block_on_overflow: true };
  await scene.recorder.setMode("unavailable");
  const agent = await scene.start({
    ...scene.config(),
    exporters: { [DISK]: exporterTo(scene.recorder.address, queue) },
  });
  const watch = watchAccounts(agent);
  await sleep(FILLING_MS);
  const fromMs = Date.now();
  mount.remount("abort");
  await poll(
    "a scrape that is skipped since there is no room",
    async () => (await agent.counters()).skipped.get("queue_full") || undefined,
  );
  await sleep(READ_ONLY_MS);
  scene.lookAtDisk();
  await scene.drain(agent);
  await watch.stop();
  const account = accountOf(await agent.counters(), DISK, scene.recorder.kept);
  assert.match(agent.stderr(), /cannot note what was delivered: .*EROFS/);
  assert.equal((await agent.stop("SIGTERM")).code, 0);
  // Each failed write explains one lost reading of each sandbox.
  for (let atMs = fromMs; atMs < Date.now(); atMs += FAILED_MS)
    scene.interruptions.push({ fromMs: atMs, toMs: atMs + FAILED_MS });
  return account;
}

/** Fails unless an agent on the read-only disk refuses to start and says why. */
async function refuseToStart(scene: Scene): Promise<string> {
  const agent = await scene.spawn();
  const { code, stderr } = await agent.finished;
  assert.equal(code, 1, "an agent whose storage is read-only does not start");
  const line = stderr.split("\n").find((one) => one.includes("Agent cannot start")) ?? "{}";
  const { error = "" } = JSON.parse(line) as { error?: string };
  assert.match(error, /storage|read-only|readonly|EROFS/i);
  return error.replaceAll(scene.storage, "…");
}

async function run({ seed, long, print }: Scale): Promise<void> {
  for (let round = 0; round < (long ? 5 : 1); round++) {
    const mount = mountExt4();
    const scene = await startScene({ seed: seed + round, storage: join(mount.path, "storage") });
    try {
      const account = await writeProtect(scene, mount);
      const error = await refuseToStart(scene);
      const verdict = scene.judge();
      print(`${describeAccounts([account])}\na start there said: ${error}\n${describeVerdict(verdict)}`);
      assertBalanced(account);
      assert.ok(account.counted > 0, "what was under way is counted as lost");
      assertNothingLost(verdict);
      assert.ok(verdict.onDisk > 0, "something was on the disk");
    } finally {
      await scene.close();
      mount.close();
    }
  }
}

export const readOnly: Scenario = {
  name: "read-only",
  summary: "a file system that an error makes read-only while the queue is open on it",
  lacks: lacksFailingMounts,
  run,
};
