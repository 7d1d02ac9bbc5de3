// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { globSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { poll } from "../kit/poll.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { type Scene, startScene } from "./scene.ts";
import { assertNothingLost, describeVerdict } from "./verdict.ts";

/** A library of Debian's package faketime, which gives a process another wall clock. */
const LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1";
const DAY_S = 86_400;
const LONG_JUMPS = 40;
const SHORT_JUMPS = 4;
const PAUSE_MS = 300;

/** The wall clock of an agent, set by the test. */
class WallClock {
  readonly #path: string;
  readonly env: Readonly<Record<string, string>>;

  constructor(folder: string) {
    this.#path = join(folder, "offset");
    this.set(0);
    this.env = {
      LD_PRELOAD: globSync(LIBRARY)[0] ?? "",
      FAKETIME_TIMESTAMP_FILE: this.#path,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
  }

  set(offsetS: number): void {
    writeFileSync(`${this.#path}.new`, `${offsetS < 0 ? "" : "+"}${offsetS}s\n`);
    renameSync(`${this.#path}.new`, this.#path);
  }
}

/** Returns how far the time of each sandbox's latest reading is from this process's time, in seconds. */
function offsetsSeen({ recorder }: Scene, ids: readonly string[]): number[] {
  return ids.map((id) => ((recorder.kept.latestArrivalOf(id) ?? 0) - Date.now()) / 1_000);
}

async function run({ seed, long, print }: Scale): Promise<void> {
  const scene = await startScene({ seed });
  const clock = new WallClock(scene.dir);
  const ids = [...scene.simulator.sandboxes.keys()];
  const jumps = long ? LONG_JUMPS : SHORT_JUMPS;
  try {
    let agent = await scene.start(undefined, clock.env);
    for (let jump = 0; jump < jumps; jump++) {
      // The jumps go forth and back in turn and have different lengths, so that no time comes twice.
      const offsetS = Math.round((jump % 2 === 0 ? 1 : -1) * (1 + scene.random()) * DAY_S);
      await scene.recorder.setMode(jump % 4 < 2 ? "up" : "unavailable");
      clock.set(offsetS);
      await sleep(scene.random() * PAUSE_MS);
      if (jump % 4 === 2) {
        // The agent is stopped and not killed: a kill is told apart by its time, and the times are wrong here.
        assert.equal((await agent.stop("SIGTERM")).code, 0);
        scene.lookAtDisk();
        agent = await scene.start(undefined, clock.env);
      }
      if (scene.recorder.mode !== "up") continue;
      await poll("readings of the new time", () =>
        offsetsSeen(scene, ids).every((seen) => Math.abs(seen - offsetS) < 60) ? true : undefined,
      );
    }
    clock.set(0);
    await scene.drain(agent);
    assert.equal((await agent.stop("SIGTERM")).code, 0);
    const verdict = scene.judge();
    print(`${jumps} times: the wall clock is set forth or back by one to two days`);
    print(describeVerdict(verdict));
    assertNothingLost(verdict);
  } finally {
    await scene.close();
  }
}

export const clocks: Scenario = {
  name: "clocks",
  summary: "a wall clock that jumps both ways, with a destination that is down and a restart in between",
  lacks: () => (globSync(LIBRARY).length > 0 ? undefined : "faketime"),
  run,
};
