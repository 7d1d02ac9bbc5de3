// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { command, lacksMounts } from "../kit/mounts.ts";
import { poll } from "../kit/poll.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { type Scene, startScene } from "./scene.ts";
import { assertNothingLost, describeVerdict } from "./verdict.ts";
import type { AgentConfig } from "./watched_agent.ts";

const LONG_ROUNDS = 20;
const AWAY_MS = 400;

/** Something that can be removed and brought back. */
interface Way {
  readonly name: string;
  away(): void;
  back(): void;
}

function renamed(path: string): Way {
  return {
    name: "renamed",
    away: () => renameSync(path, `${path}.away`),
    back: () => renameSync(`${path}.away`, path),
  };
}

/** Mounts the root, so that an unmounted root is an empty directory. */
function unmounted(source: string, mountPoint: string): Way {
  const back = (): void => command("mount", "--bind", source, mountPoint);
  mkdirSync(mountPoint, { recursive: true });
  back();
  return { name: "unmounted", away: () => command("umount", "--lazy", mountPoint), back };
}

function idsUnder(scene: Scene, root: string): string[] {
  return [...scene.simulator.sandboxes.values()]
    .filter(({ directory }) => dirname(directory) === root)
    .map(({ id }) => id);
}

/** Waits until a new reading of each sandbox has been received. */
async function untilReceived({ recorder }: Scene, ids: readonly string[]): Promise<void> {
  const before = ids.map((id) => recorder.kept.countedOf(id).length);
  await poll("further readings", () =>
    ids.every((id, index) => recorder.kept.countedOf(id).length > (before[index] ?? 0)) ? true : undefined,
  );
}

/** Removes the root for a while. The sandboxes of the other root must not be disturbed. */
async function takeAway(scene: Scene, root: string, way: Way): Promise<void> {
  const { recorder, random } = scene;
  const mine = idsUnder(scene, root);
  const others = [...scene.simulator.sandboxes.keys()].filter((id) => !mine.includes(id));
  const ends = recorder.kept.uniqueEnds;
  const fromMs = Date.now();
  way.away();
  await poll("the ends of its sandboxes", () => recorder.kept.uniqueEnds > ends || undefined);
  // Scrapes that were under way are aborted.
  scene.interruptions.push({ fromMs, toMs: Date.now(), sandboxIds: mine });
  await sleep(random() * AWAY_MS);
  await untilReceived(scene, others);
  way.back();
  await untilReceived(scene, mine);
}

async function run({ seed, long, print }: Scale): Promise<void> {
  const scene = await startScene({ seed });
  const { goRoot, rsRoot } = scene.simulator;
  const mountPoint = join(scene.dir, "mounted");
  const mounts = lacksMounts() === undefined;
  const way = mounts ? unmounted(rsRoot, mountPoint) : renamed(rsRoot);
  const receiver = {
    ...scene.receiver(),
    roots: [
      { path: goRoot, runtime: "go" },
      { path: mounts ? mountPoint : rsRoot, runtime: "rs" },
    ],
  };
  const config: AgentConfig = { ...scene.config(), receivers: { kata: receiver } };
  try {
    const agent = await scene.start(config);
    await untilReceived(scene, [...scene.simulator.sandboxes.keys()]);
    const rounds = long ? LONG_ROUNDS : 1;
    for (let round = 0; round < rounds; round++) {
      await takeAway(scene, goRoot, renamed(goRoot));
      await takeAway(scene, rsRoot, way);
    }
    await scene.drain(agent);
    assert.equal((await agent.stop("SIGTERM")).code, 0);
    const verdict = scene.judge();
    print(`${rounds} times: one root renamed, the other ${way.name}, and back`);
    print(describeVerdict(verdict));
    assertNothingLost(verdict);
    assert.ok(scene.recorder.kept.uniqueEnds > 0);
  } finally {
    if (mounts) way.away();
    await scene.close();
  }
}

export const roots: Scenario = {
  name: "roots",
  summary: "roots that are renamed and unmounted, and come back",
  run,
};
