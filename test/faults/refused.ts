// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import type { Refusal } from "../kit/destinations/destination.ts";
import { freePort } from "../kit/free_port.ts";
import { poll } from "../kit/poll.ts";
import { describeAccounts, watchAccounts } from "./accounts.ts";
import {
  configWith,
  drainAndBalance,
  EVERY_ROUTE,
  judgeRoutes,
  type Route,
  type RouteSpec,
  startRoutes,
} from "./routes.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { PATIENT_TIMEOUT, type Scene, startScene } from "./scene.ts";
import type { AgentConfig } from "./watched_agent.ts";

const SHORT_MS = 2_000;
const LONG_MS = 60_000;
/** The shortest pauses between attempts: the backoff without its random half. */
const PAUSE_MS = 500;
const PAUSE_MS_MIN = PAUSE_MS / 2;
const CONSUMERS = 3;

const NO_SERVICE: Omit<Refusal, "http"> = { grpc: status.UNIMPLEMENTED, words: "unknown service" };
/** Refusals that say nothing about the request itself. HTTP has more of them than gRPC. */
const REFUSALS: readonly Refusal[] = [
  { http: 401, grpc: status.UNAUTHENTICATED, words: "no token" },
  { http: 403, grpc: status.PERMISSION_DENIED, words: "not for you" },
  { http: 404, grpc: status.NOT_FOUND, words: "no such tenant" },
  { http: 405, ...NO_SERVICE },
  { http: 501, ...NO_SERVICE },
  { http: 308, ...NO_SERVICE, headers: { location: "https://else.example/v1/metrics" } },
];
/** The answer of a server that is no receiver. */
const WEB_PAGE: Refusal = {
  http: 200,
  grpc: status.OK,
  words: "<html><h1>It works!</h1></html>",
  headers: { "content-type": "text/html; charset=utf-8" },
};

const retrying = { initial_interval: `${PAUSE_MS}ms`, max_interval: `${PAUSE_MS}ms`, max_elapsed_time: "1s" };

/** With this, retries end after a second; a wrong address or password must not make the exporter give up. */
function impatient(spec: RouteSpec): RouteSpec {
  return { ...spec, exporter: { retry_on_failure: retrying, timeout: PATIENT_TIMEOUT } };
}

function withHealth(config: AgentConfig, health: string): AgentConfig {
  return {
    ...config,
    extensions: { ...config.extensions, health_check: { endpoint: health } },
    service: { ...config.service, extensions: [...(config.service.extensions ?? []), "health_check"] },
  };
}

interface Refused {
  readonly routes: readonly Route[];
  readonly refusal: Refusal;
  readonly forMs: number;
  /** The address of the extension health_check. */
  readonly health: string;
}

/** Refuses every request for a while. The exporters must report it, retry seldom, and go on by themselves afterwards. */
async function refuseFor({ routes, refusal, forMs, health }: Refused): Promise<void> {
  const fromMs = performance.now();
  for (const { recorder } of routes) recorder.refuse({ refusal });
  for (const route of routes)
    await poll(`a permanent error of ${route.id}`, async () =>
      (await isUnwell(health, route)) ? true : undefined,
    );
  await sleep(forMs);
  for (const { recorder } of routes) recorder.refuse();
  const untilMs = performance.now();
  for (const route of routes) {
    const { id, recorder } = route;
    const asked = recorder.askedMs.filter((askedMs) => askedMs > fromMs && askedMs < untilMs).length;
    const askedMax = CONSUMERS + 1 + (untilMs - fromMs) / PAUSE_MS_MIN;
    assert.ok(asked <= askedMax, `"${id}" has asked ${asked} times in ${untilMs - fromMs} ms`);
    await poll(`${id} to be well again`, async () => ((await isUnwell(health, route)) ? undefined : true));
  }
}

/** Returns whether the exporter's status is a permanent error that names the URL or address. */
async function isUnwell(health: string, { id, recorder }: Route): Promise<boolean> {
  const answer = await fetch(`http://${health}/status?verbose`);
  const component = componentIn(await answer.json(), `exporter:${id}`);
  return component.includes('"StatusPermanentError"') && component.includes(recorder.address);
}

/** Returns the component's part of the status page as text; empty where it has none. */
function componentIn(page: unknown, key: string): string {
  if (typeof page !== "object" || page === null) return "";
  for (const [name, value] of Object.entries(page)) {
    const found = name === key ? JSON.stringify(value) : componentIn(value, key);
    if (found !== "") return found;
  }
  return "";
}

async function refuseAll(
  scene: Scene,
  specs: readonly RouteSpec[],
  { refusals, forMs }: { readonly refusals: readonly Refusal[]; readonly forMs: number },
): Promise<string> {
  const routes = await startRoutes(scene, specs.map(impatient));
  const health = `127.0.0.1:${await freePort()}`;
  const agent = await scene.start(withHealth(configWith(scene, routes), health));
  const watch = watchAccounts(agent);
  for (const refusal of refusals) await refuseFor({ routes, refusal, forMs, health });
  const accounts = await drainAndBalance(scene, agent, routes);
  await watch.stop();
  for (const { id, counted } of accounts) assert.equal(counted, 0, `"${id}" drops nothing`);
  const judged = judgeRoutes(scene, routes);
  assert.equal((await agent.stop("SIGTERM")).code, 0);
  return `${describeAccounts(accounts)}\n${judged}`;
}

async function runWith(
  { seed, long, print }: Scale,
  specs: readonly RouteSpec[],
  refusals: readonly Refusal[],
): Promise<void> {
  const scene = await startScene({ seed });
  try {
    print(await refuseAll(scene, specs, { refusals, forMs: long ? LONG_MS : SHORT_MS }));
  } finally {
    await scene.close();
  }
}

export const refused: Scenario = {
  name: "refused",
  summary: "a wrong address or password, with every status that reports one, which is corrected later",
  run: (scale) => runWith(scale, EVERY_ROUTE, REFUSALS),
};

export const webPage: Scenario = {
  name: "web-page",
  summary: "an address where a web server takes every request and answers 200 with a page",
  run: (scale) =>
    runWith(
      scale,
      EVERY_ROUTE.filter(({ protocol }) => protocol === "http"),
      [WEB_PAGE],
    ),
};
