// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import type { Refusal } from "../kit/destinations/destination.ts";
import { poll } from "../kit/poll.ts";
import { describeAccounts, watchAccounts } from "./accounts.ts";
import {
  configWith,
  drainAndBalance,
  judgeRoutes,
  type Route,
  type RouteSpec,
  setModes,
  startRoutes,
} from "./routes.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { PATIENT_TIMEOUT, type Scene, startScene } from "./scene.ts";
import type { WatchedAgent } from "./watched_agent.ts";

const LIMIT_BYTES = 1024 * 1024;
const SHORT_OUTAGE_MS = 3_000;
const LONG_OUTAGE_MS = 25_000;
const AFTERWARDS_MS = 1_000;
const SAID = "The receiver takes smaller requests only; batches are no larger from now on.";

const PLAIN_413: Refusal = { http: 413, grpc: status.RESOURCE_EXHAUSTED, words: "" };
const SAYING_400: Refusal = {
  http: 400,
  grpc: status.INVALID_ARGUMENT,
  words: `rpc error: message too large: limit is ${LIMIT_BYTES} bytes`,
};

interface LimitedRoute extends RouteSpec {
  /** The peer's refusal; if left out, the limit is one of the gRPC server itself. */
  readonly refusal?: Refusal;
}

function limited(
  compression: "none" | "gzip",
  spec: Omit<LimitedRoute, "exporter" | "sendingQueue">,
): LimitedRoute {
  return {
    ...spec,
    name: spec.name === undefined ? compression : `${spec.name}_${compression}`,
    // A peer on a busy machine must have time to refuse a request.
    exporter: { compression, timeout: PATIENT_TIMEOUT },
    // The limit is larger than the peer's, and larger than the backlog of the outage.
    sendingQueue: { batch: { flush_timeout: "50ms" } },
  };
}

const ROUTES: readonly LimitedRoute[] = [
  limited("gzip", { protocol: "grpc", queue: "memory", messageBytesMax: LIMIT_BYTES }),
  limited("none", { protocol: "grpc", queue: "disk", messageBytesMax: LIMIT_BYTES }),
  limited("none", { protocol: "http", queue: "memory", name: "413", refusal: PLAIN_413 }),
  limited("gzip", { protocol: "http", queue: "disk", name: "400", refusal: SAYING_400 }),
];
const MORE_ROUTES: readonly LimitedRoute[] = [
  limited("none", { protocol: "grpc", queue: "memory", messageBytesMax: LIMIT_BYTES }),
  limited("gzip", { protocol: "grpc", queue: "disk", messageBytesMax: LIMIT_BYTES }),
  limited("gzip", { protocol: "http", queue: "memory", name: "400", refusal: SAYING_400 }),
  limited("none", { protocol: "http", queue: "disk", name: "413", refusal: PLAIN_413 }),
];

/** Makes the destinations of these routes refuse large requests from now on. */
function limit(routes: readonly Route[], specs: readonly LimitedRoute[]): void {
  for (const [index, { recorder }] of routes.entries()) {
    const refusal = specs[index]?.refusal;
    if (refusal === undefined) continue;
    recorder.refuse({ refusal, isFor: (message) => message.length > LIMIT_BYTES });
  }
}

/** Returns how many lines of the exporter's log say that batches are smaller from now on. */
function timesSaid(agent: WatchedAgent, { id }: Route): number {
  const lines = agent.stderr().split("\n");
  return lines.filter((line) => line.includes(SAID) && line.includes(`"${id}"`)).length;
}

/** Ends an outage with a backlog that the peer does not take in batches of the usual size. */
async function outlive(scene: Scene, specs: readonly LimitedRoute[], outageMs: number): Promise<string> {
  const routes = await startRoutes(scene, specs);
  limit(routes, specs);
  await setModes(routes, "refusing");
  const agent = await scene.start(configWith(scene, routes));
  const watch = watchAccounts(agent);
  await sleep(outageMs);
  await setModes(routes, "up");
  for (const route of routes)
    await poll(`${route.id} to say it`, () => timesSaid(agent, route) > 0 || undefined, 60_000);
  const text = await settleAfterAnother(scene, agent, routes);
  await watch.stop();
  for (const route of routes)
    assert.equal(timesSaid(agent, route), 1, `"${route.id}" says once what the peer takes`);
  assert.match(agent.stderr(), /"option":"sending_queue::batch::max_size"/);
  assert.equal((await agent.stop("SIGTERM")).code, 0);
  return `${text}\n${judgeRoutes(scene, routes)}`;
}

/** Makes a second outage. Its backlog must be sent in batches of the size that the exporter has learnt: none is refused. */
async function settleAfterAnother(
  scene: Scene,
  agent: WatchedAgent,
  routes: readonly Route[],
): Promise<string> {
  await sleep(AFTERWARDS_MS);
  const before = routes.map(({ recorder }) => recorder.refused.requests);
  await setModes(routes, "refusing");
  await sleep(SHORT_OUTAGE_MS);
  const accounts = await drainAndBalance(scene, agent, routes);
  for (const [index, { id, recorder }] of routes.entries())
    assert.equal(recorder.refused.requests, before[index], `"${id}" sends nothing again that is too large`);
  for (const { id, counted } of accounts) assert.equal(counted, 0, `"${id}" loses nothing`);
  return describeAccounts(accounts);
}

async function run({ seed, long, print }: Scale): Promise<void> {
  const scene = await startScene({ seed });
  try {
    const specs = long ? [...ROUTES, ...MORE_ROUTES] : ROUTES;
    print(await outlive(scene, specs, long ? LONG_OUTAGE_MS : SHORT_OUTAGE_MS));
  } finally {
    await scene.close();
  }
}

export const tooLarge: Scenario = {
  name: "too-large",
  summary: "an outage, and then a peer that accepts smaller requests than those of the backlog",
  run,
};
