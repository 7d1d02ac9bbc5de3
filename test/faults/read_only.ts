import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { poll } from "../e2e/poll.ts";
import { lacksFailingMounts, type Mount, mountExt4 } from "./mounts.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { DISK, type Scene, setScene } from "./scene.ts";
import { assertNothingLost, describeVerdict } from "./verdict.ts";

const FILLING_MS = 700;

/** The disk takes no writes any more, while there is something to send: that is sent all the same. */
async function writeProtect(scene: Scene, mount: Mount): Promise<number> {
  await scene.recorder.setMode("unavailable");
  const life = await scene.start();
  await sleep(FILLING_MS);
  mount.remount("abort");
  const turnedAway = async (): Promise<number | undefined> => (await life.counters()).refused || undefined;
  const refused = await poll("readings to be turned away", turnedAway);
  scene.lookAtDisk();
  await scene.recorder.setMode("up");
  await poll("the queue to be sent", async () => {
    const own = (await life.counters()).exporters.get(DISK);
    return own?.queueSize === 0 || undefined;
  });
  assert.match(life.stderr(), /cannot note what was delivered: EROFS/);
  await scene.interrupt(() => life.end("SIGTERM"));
  return refused;
}

/** An agent that cannot keep anything says so, and does not run as if it could. */
async function refuseToStart(scene: Scene): Promise<string> {
  const life = await scene.spawn();
  const { code, stderr } = await life.finished;
  assert.equal(code, 1, "an agent whose storage is read-only does not start");
  const line = stderr.split("\n").find((one) => one.includes("Agent cannot start")) ?? "{}";
  const { error = "" } = JSON.parse(line) as { error?: string };
  assert.match(error, /storage|read-only|readonly|EROFS/i);
  return error.replaceAll(scene.storage, "…");
}

async function run({ seed, long, print }: Scale): Promise<void> {
  for (let round = 0; round < (long ? 5 : 1); round++) {
    const mount = mountExt4();
    const scene = await setScene({ seed: seed + round, storage: join(mount.path, "storage") });
    try {
      const refused = await writeProtect(scene, mount);
      const error = await refuseToStart(scene);
      const verdict = scene.judge();
      print(`turned away ${refused} points; a start there said: ${error}\n${describeVerdict(verdict)}`);
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
