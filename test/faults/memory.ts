// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { residentMib } from "../kit/process_usage.ts";
import { exporterIn } from "./accounts.ts";
import { type Pushing, startPushing } from "./pushing.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { type Scene, startScene } from "./scene.ts";
import type { AgentConfig, WatchedAgent } from "./watched_agent.ts";

const SANDBOXES = 8;
const SCRAPE_INTERVAL = "250ms";
const WARM_UP_MS = 8_000;
const SHORT_MS = 25_000;
const LONG_MS = 300_000;
const LOOK_MS = 500;
const MIB = 1_048_576;
/** Collects garbage between two looks, so that the result does not depend on when V8 does so by itself. */
const COLLECTING = {
  NODE_OPTIONS: `--expose-gc --import "data:text/javascript,setInterval(gc,${LOOK_MS}).unref()"`,
};
/** The share of the delivered bytes by which memory may grow: a queue that keeps what it has delivered keeps all of it. */
const GROWTH_SHARE_MAX = 0.25;

function configOf(scene: Scene, { exporters }: Pushing): AgentConfig {
  const receiver = { ...scene.receiver(), collection_interval: SCRAPE_INTERVAL };
  const pipelines = { metrics: { receivers: ["kata"], exporters: Object.keys(exporters) } };
  return { receivers: { kata: receiver }, exporters, service: { pipelines } };
}

/** Returns the smallest resident memory in this time, since a page that is being parsed takes memory for a moment. */
async function leastMib({ pid }: WatchedAgent, forMs: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (const untilMs = performance.now() + forMs; performance.now() < untilMs; await sleep(LOOK_MS))
    least = Math.min(least, residentMib(pid));
  return least;
}

/** Lets every exporter push for a while, and compares the growth of the memory with the bytes that were delivered. */
async function pass(scene: Scene, forMs: number): Promise<string> {
  const pushing = await startPushing(scene);
  const passed = (): number => pushing.recorders.reduce((sum, { bytes }) => sum + bytes, 0) / MIB;
  const agent = await scene.start(configOf(scene, pushing), COLLECTING);
  await sleep(WARM_UP_MS);
  const before = { passed: passed(), mib: await leastMib(agent, WARM_UP_MS / 4) };
  await sleep(forMs);
  const growth = (await leastMib(agent, WARM_UP_MS / 4)) - before.mib;
  const through = passed() - before.passed;
  const counters = await agent.counters();
  for (const id of Object.keys(pushing.exporters))
    assert.ok(exporterIn(counters, id).sent > 0, `"${id}" sends`);
  assert.equal((await agent.stop("SIGTERM")).code, 0);
  const text = `${through.toFixed(0)} MiB passed, resident memory grew by ${growth.toFixed(0)} MiB from ${before.mib.toFixed(0)}`;
  assert.ok(growth < through * GROWTH_SHARE_MAX, text);
  return text;
}

async function run({ seed, long, print }: Scale): Promise<void> {
  const scene = await startScene({ seed, simulator: { sandboxes: SANDBOXES, page: {} } });
  try {
    print(await pass(scene, long ? LONG_MS : SHORT_MS));
  } finally {
    await scene.close();
  }
}

export const memory: Scenario = {
  name: "memory",
  summary: "every exporter that pushes, with a queue in memory that frees what it has delivered",
  run,
};
