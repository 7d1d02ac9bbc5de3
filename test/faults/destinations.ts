// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { shuffled } from "../../src/simulator/random.ts";
import { describeAccounts, exporterIn, watchAccounts } from "./accounts.ts";
import { MODES, type Mode } from "./recorder.ts";
import {
  configWith,
  drainAndBalance,
  EVERY_ROUTE,
  judgeRoutes,
  type Route,
  setModes,
  startRoutes,
} from "./routes.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { INTERVAL_MS, startScene, TIMEOUT_MS } from "./scene.ts";
import type { WatchedAgent } from "./watched_agent.ts";

const SHORT_MODE_MS = 400;
/** The modes in which an attempt ends at its deadline only. */
const SILENT: readonly Mode[] = ["hanging", "stalled"];
const LONG_MODE_MS = 6_000;
const LONG_ROUNDS = 3;
/** The number of readings of one hour at the default interval of 15 s. */
const OUTAGE_READINGS = 240;

async function longOutage(
  agent: WatchedAgent,
  routes: readonly Route[],
  print: Scale["print"],
): Promise<void> {
  await setModes(routes, "refusing");
  await sleep(OUTAGE_READINGS * INTERVAL_MS);
  const counters = await agent.counters();
  const queues = routes.map(({ id }) => `${exporterIn(counters, id).queueSize} bytes in ${id}`);
  print(`after an outage of ${OUTAGE_READINGS} readings of each sandbox: ${queues.join(", ")}`);
}

function describeRoute({ id, recorder }: Route): string {
  return `${id} has received ${recorder.kept.unique} points, ${recorder.kept.duplicates} again`;
}

function durationMs(mode: Mode, long: boolean): number {
  if (long) return LONG_MODE_MS;
  return SHORT_MODE_MS + (SILENT.includes(mode) ? TIMEOUT_MS : 0);
}

async function run({ seed, long, print }: Scale): Promise<void> {
  const scene = await startScene({ seed });
  try {
    const routes = await startRoutes(scene, EVERY_ROUTE);
    const agent = await scene.start(configWith(scene, routes));
    const watch = watchAccounts(agent);
    if (long) await longOutage(agent, routes, print);
    for (let round = 0; round < (long ? LONG_ROUNDS : 1); round++) {
      for (const mode of shuffled(MODES, scene.random)) {
        await setModes(routes, mode);
        await sleep(durationMs(mode, long));
        if (long) print(`after ${mode}: ${routes.map(describeRoute).join(", ")}`);
      }
    }
    const accounts = await drainAndBalance(scene, agent, routes);
    await watch.stop();
    print(describeAccounts(accounts));
    for (const { id, counted } of accounts) assert.equal(counted, 0, `"${id}" has given up nothing`);
    print(judgeRoutes(scene, routes));
    assert.equal((await agent.stop("SIGTERM")).code, 0);
  } finally {
    await scene.close();
  }
}

export const destinations: Scenario = {
  name: "destinations",
  summary:
    "destinations that fail in every way in turn, over gRPC and HTTP, for a queue in memory and one on disk",
  run,
};
