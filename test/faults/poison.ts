// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { describeAccounts, exporterIn, watchAccounts } from "./accounts.ts";
import { configWith, drainAndBalance, EVERY_ROUTE, type Route, startRoutes } from "./routes.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { type Scene, startScene } from "./scene.ts";
import { assertNothingLost } from "./verdict.ts";

const SHORT_MS = 1_500;
const LONG_MS = 60_000;

/** Refuses every request that holds a point of the sandbox, whatever else it holds. */
function refuseSandbox({ recorder }: Route, id: string): void {
  const refusal = { http: 400, grpc: status.INVALID_ARGUMENT, words: "out of bounds" };
  recorder.refuse({ refusal, isFor: (message) => Buffer.from(message).includes(id) });
}

async function poison(scene: Scene, forMs: number): Promise<string> {
  const routes = await startRoutes(scene, EVERY_ROUTE);
  const [bad = ""] = scene.simulator.sandboxes.keys();
  for (const route of routes) refuseSandbox(route, bad);
  const agent = await scene.start(configWith(scene, routes));
  const watch = watchAccounts(agent);
  await sleep(forMs);
  // Every batch is halved many times. On a busy machine the exporters would not catch up with full pages.
  for (const sandbox of scene.simulator.sandboxes.values()) await sandbox.setFault("error500");
  const accounts = await drainAndBalance(scene, agent, routes);
  await watch.stop();
  const counters = await agent.counters();
  for (const { id, recorder } of routes) {
    const dropped = exporterIn(counters, id).failed.get("permanent") ?? 0;
    assert.ok(dropped > 0, `"${id}" drops what the peer refuses`);
    assert.equal(dropped, recorder.refused.valuesOf(bad), "and counts it, to the point");
    assert.equal(recorder.kept.valuesOf(bad), 0, "none of its points is received");
    assertNothingLost(scene.judge(recorder, [bad]));
  }
  for (const { id, counted } of accounts)
    assert.equal(counted, exporterIn(counters, id).failed.get("permanent"), `"${id}" loses nothing else`);
  assert.equal((await agent.stop("SIGTERM")).code, 0);
  const requests = routes.map(({ id, recorder }) => `${id} ${recorder.refused.requests}`);
  return `${describeAccounts(accounts)}\nrequests refused: ${requests.join(", ")}`;
}

async function run({ seed, long, print }: Scale): Promise<void> {
  const scene = await startScene({ seed });
  try {
    print(await poison(scene, long ? LONG_MS : SHORT_MS));
  } finally {
    await scene.close();
  }
}

export const poisoned: Scenario = {
  name: "poison",
  summary:
    "a peer that refuses every request with a certain sandbox in it: only that one's readings are dropped",
  run,
};
