// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Mode } from "./recorder.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { type Scene, startScene } from "./scene.ts";
import { assertNothingLost, describeVerdict } from "./verdict.ts";

const SHORT_STOPS = 6;
const START_MS_MAX = 2_000;
const READY_MS_MAX = 1_000;
/** The modes of the destination while the agent stops. */
const MODES: readonly Mode[] = ["up", "refusing", "hanging", "unavailable", "stalled", "cutting"];

/**
 * Stops an agent after a time, counted from its start or from when it is ready. Returns true where the signal came before
 * the agent could handle it.
 */
async function stopAfter(scene: Scene, delayMs: number, ready: boolean): Promise<boolean> {
  const agent = await scene.spawn();
  if (ready) await agent.ready();
  await sleep(delayMs);
  const { code, signal, stderr } = await agent.stop("SIGTERM");
  scene.lookAtDisk();
  // A process without a handler for the signal is ended by it. Such an agent has not begun anything.
  const tooEarly = signal === "SIGTERM" && stderr === "";
  assert.ok(code === 0 || tooEarly, `stopped after ${delayMs} ms with code ${code}, ${signal}:\n${stderr}`);
  return tooEarly;
}

async function run({ seed, long, kills, print }: Scale): Promise<void> {
  const scene = await startScene({ seed });
  const stops = long ? kills : SHORT_STOPS;
  let tooEarly = 0;
  try {
    for (let stop = 0; stop < stops; stop++) {
      await scene.recorder.setMode(MODES[Math.floor(scene.random() * MODES.length)] ?? "up");
      const ready = stop % 2 === 0;
      const delayMs = (ready ? READY_MS_MAX : START_MS_MAX) * scene.random();
      if (await stopAfter(scene, delayMs, ready)) tooEarly++;
    }
    const agent = await scene.start();
    await scene.drain(agent);
    assert.equal((await agent.stop("SIGTERM")).code, 0);
    const verdict = scene.judge();
    print(
      `${stops} stops, every second one of an agent that may be starting, ${tooEarly} of them before the agent listened to signals; all others ended with 0`,
    );
    print(describeVerdict(verdict));
    assertNothingLost(verdict);
    assert.equal(verdict.neverAccepted, 0, "an agent that stops in peace has accepted all that it scraped");
  } finally {
    await scene.close();
  }
}

export const stops: Scenario = {
  name: "stops",
  summary: "SIGTERM at any time of start and stop, with destinations that are up and down",
  run,
};
