// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { describeAccounts, watchAccounts } from "./accounts.ts";
import { configWith, drainAndBalance, EVERY_ROUTE, judgeRoutes, setModes, startRoutes } from "./routes.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { startScene } from "./scene.ts";

const SHORT_ROUNDS = 2;
const LONG_ROUNDS = 10;
const ROUND_MS = 1_500;

async function run({ seed, long, print }: Scale): Promise<void> {
  const scene = await startScene({ seed });
  try {
    const routes = await startRoutes(scene, EVERY_ROUTE);
    const agent = await scene.start(configWith(scene, routes));
    const watch = watchAccounts(agent);
    for (let round = 0; round < (long ? LONG_ROUNDS : SHORT_ROUNDS); round++)
      for (const mode of ["cutting", "cutting_answers"] as const) {
        await setModes(routes, mode);
        await sleep(ROUND_MS);
      }
    const accounts = await drainAndBalance(scene, agent, routes);
    await watch.stop();
    print(describeAccounts(accounts));
    for (const { id, counted, again } of accounts) {
      assert.equal(counted, 0, `"${id}" gives up nothing`);
      assert.ok(again > 0, `"${id}" has sent again what it did not know to be delivered`);
    }
    print(judgeRoutes(scene, routes));
    assert.equal((await agent.stop("SIGTERM")).code, 0);
  } finally {
    await scene.close();
  }
}

export const cuttingProxy: Scenario = {
  name: "cutting-proxy",
  summary: "a proxy that cuts connections in the middle of requests and of answers",
  run,
};
