// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import { poll } from "../kit/poll.ts";
import { describeAccounts, watchAccounts } from "./accounts.ts";
import { configWith, drainAndBalance, EVERY_ROUTE, judgeRoutes, type Route, startRoutes } from "./routes.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { PATIENT_TIMEOUT, type Scene, startScene } from "./scene.ts";

const SHORT_DELAY_MS = 4_000;
const LONG_DELAY_MS = 60_000;
/** How often the peer asks for the delay, each time after the other. */
const TIMES = 2;

/** It is shorter than the delay: a pause that the peer asked for must not count as elapsed time. */
const IMPATIENT = { initial_interval: "50ms", max_interval: "300ms", max_elapsed_time: "2s" };

/** Returns the times of the requests that a peer got while it asked for a pause. */
async function untilAskedAgain({ id, recorder }: Route, { fromMs, delayMs }: Throttling): Promise<number[]> {
  const asked = (): number[] => recorder.askedMs.filter((atMs) => atMs >= fromMs);
  return await poll(
    `${id} to come back`,
    () => (asked().length > TIMES ? asked() : undefined),
    (TIMES + 1) * delayMs + 60_000,
  );
}

interface Throttling {
  readonly fromMs: number;
  readonly delayMs: number;
}

/** Fails unless the exporter sends one request, waits for as long as the peer asked, sends the next one, and so on. */
function assertLeftAlone({ id }: Route, asked: readonly number[], delayMs: number): void {
  for (const [index, atMs] of asked.slice(0, TIMES + 1).entries()) {
    const beforeMs = asked[index - 1];
    if (beforeMs === undefined) continue;
    assert.ok(atMs - beforeMs >= delayMs, `"${id}" comes back after ${atMs - beforeMs} ms`);
  }
}

async function throttle(scene: Scene, delayMs: number): Promise<string> {
  const specs = EVERY_ROUTE.map((spec) => ({
    ...spec,
    // With one request at a time, no other request is under way when the peer asks for a pause.
    sendingQueue: { num_consumers: 1 },
    exporter: { retry_on_failure: IMPATIENT, timeout: PATIENT_TIMEOUT },
  }));
  const routes = await startRoutes(scene, specs);
  const agent = await scene.start(configWith(scene, routes));
  const watch = watchAccounts(agent);
  for (const { id, recorder } of routes)
    await poll(`${id} to deliver`, () => recorder.kept.requests > 0 || undefined);
  const fromMs = performance.now();
  const refusal = { http: 429, grpc: status.RESOURCE_EXHAUSTED, words: "later", comeBackMs: delayMs };
  for (const { recorder } of routes) {
    let times = 0;
    recorder.refuse({ refusal, isFor: () => times++ < TIMES });
  }
  await Promise.all(
    routes.map(async (route) => {
      const asked = await untilAskedAgain(route, { fromMs, delayMs });
      assertLeftAlone(route, asked, delayMs);
    }),
  );
  const accounts = await drainAndBalance(scene, agent, routes);
  await watch.stop();
  for (const { id, counted } of accounts) assert.equal(counted, 0, `"${id}" gives up nothing meanwhile`);
  const judged = judgeRoutes(scene, routes);
  assert.equal((await agent.stop("SIGTERM")).code, 0);
  return `${describeAccounts(accounts)}\n${judged}`;
}

async function run({ seed, long, print }: Scale): Promise<void> {
  const scene = await startScene({ seed });
  try {
    print(await throttle(scene, long ? LONG_DELAY_MS : SHORT_DELAY_MS));
  } finally {
    await scene.close();
  }
}

export const throttled: Scenario = {
  name: "throttled",
  summary: "a peer that asks for a pause longer than max_elapsed_time gets one request in that time",
  run,
};
