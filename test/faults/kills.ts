// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { MODES, type Mode } from "./recorder.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { type Scene, startScene } from "./scene.ts";
import { assertNothingLost, describeVerdict } from "./verdict.ts";

/** Some processes are killed before the agent has read its configuration or opened its queue. */
const KILLED_WHILE_STARTING = 0.3;
const STARTING_MS = 900;
const LIFE_MS = 900;
const REPORT_EVERY = 10;

/** Runs an agent for a random time with the destination in this mode, which changes in some of the runs, and kills it. */
async function liveAndDie({ scene, mode }: { scene: Scene; mode: Mode }): Promise<void> {
  const { random, recorder } = scene;
  await recorder.setMode(mode);
  const agent = await scene.spawn();
  if (random() < KILLED_WHILE_STARTING) await sleep(random() * STARTING_MS);
  else {
    await agent.ready();
    await sleep((random() * LIFE_MS) / 2);
    if (random() < 0.3) await recorder.setMode("up");
    await sleep((random() * LIFE_MS) / 2);
  }
  assert.ok(!agent.hasEnded(), `the agent ended by itself:\n${agent.stderr()}`);
  await scene.kill(agent);
}

async function run({ seed, kills, print }: Scale): Promise<void> {
  const scene = await startScene({ seed });
  const down = MODES.filter((mode) => mode !== "up");
  try {
    for (let kill = 1; kill <= kills; kill++) {
      const mode = kill % 2 === 1 ? "up" : (down[Math.floor(scene.random() * down.length)] ?? "refusing");
      await liveAndDie({ scene, mode });
      if (kill % REPORT_EVERY === 0) {
        const { unique, duplicates } = scene.recorder.kept;
        print(
          `${kill} kills: ${scene.onDisk.unique} points on disk, ${unique} received, ${duplicates} again`,
        );
      }
    }
    const agent = await scene.start();
    await scene.drain(agent);
    const { code } = await agent.stop("SIGTERM");
    scene.lookAtDisk();
    const verdict = scene.judge();
    print(`${kills} kills\n${describeVerdict(verdict)}`);
    assert.equal(code, 0, "the last agent ends in peace");
    assertNothingLost(verdict);
    assert.ok(verdict.onDisk > 0, "something was on disk at a kill");
  } finally {
    await scene.close();
  }
}

export const kills: Scenario = {
  name: "kills",
  summary: "kill -9 at any instant, with a queue on disk and a destination that is up and down in turn",
  run,
};
