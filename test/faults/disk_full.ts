import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { poll } from "../e2e/poll.ts";
import type { Life } from "./life.ts";
import { lacksMounts, mountTmpfs } from "./mounts.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { DISK, type Scene, setScene } from "./scene.ts";
import { assertNothingLost, describeVerdict } from "./verdict.ts";

const DISK_BYTES = 1024 * 1024;
const LONG_ROUNDS = 10;
const FULL_MS = 300;

async function untilFull(life: Life): Promise<number> {
  return await poll("the disk to be full", async () => (await life.counters()).refused || undefined);
}

/** Fills the disk, kills the agent there, lets it start on the full disk, and gives it a destination again. */
async function fillAndEmpty(scene: Scene): Promise<number> {
  await scene.recorder.setMode("unavailable");
  const first = await scene.start();
  let refused = await untilFull(first);
  await sleep(scene.random() * FULL_MS);
  await scene.kill(first);

  const second = await scene.start();
  refused += await untilFull(second);
  scene.lookAtDisk();
  await scene.recorder.setMode("up");
  await poll("room on the disk", async () => {
    const own = (await second.counters()).exporters.get(DISK);
    return own !== undefined && own.queueSize < DISK_BYTES / 3 ? true : undefined;
  });
  await scene.interrupt(() => second.end("SIGTERM"));
  assert.match(first.stderr() + second.stderr(), /no space left on device/i);
  return refused;
}

async function run({ seed, long, print }: Scale): Promise<void> {
  const mount = mountTmpfs(DISK_BYTES);
  const scene = await setScene({ seed, storage: join(mount.path, "storage") });
  try {
    let refused = 0;
    for (let round = 0; round < (long ? LONG_ROUNDS : 1); round++) refused += await fillAndEmpty(scene);
    const life = await scene.start();
    await scene.drain(life);
    assert.equal((await life.end("SIGTERM")).code, 0);
    const verdict = scene.judge();
    print(`turned away ${refused} points by a full disk, offered again\n${describeVerdict(verdict)}`);
    assertNothingLost(verdict);
    assert.ok(verdict.onDisk > 0, "something was on the disk");
  } finally {
    await scene.close();
    mount.close();
  }
}

export const diskFull: Scenario = {
  name: "disk-full",
  summary: "a disk that fills up under the queue, with a kill -9 and a start on the full disk",
  lacks: lacksMounts,
  run,
};
