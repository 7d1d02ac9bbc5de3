// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
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
import { type Scene, startScene } from "./scene.ts";

/** Smaller than the default, so that a destination on a busy machine could still receive faster than this. */
const RATE = 2;
const SCRAPE_INTERVAL_MS = 400;
/** The age from which a waiting reading belongs to the backlog. */
const BACKLOG_MS = 10_500;
/** The time before the outage must be long enough for the agent to measure the rate at which readings come in. */
const SHORT = { beforeMs: 3_000, outageMs: 16_000 };
const LONG = { beforeMs: 60_000, outageMs: 120_000 };
/** The factor by which readings may arrive faster: the agent measures its rate over half a minute, with some noise. */
const SLACK = 1.5;

const SPECS: readonly RouteSpec[] = (["memory", "disk"] as const).map((queue) => ({
  protocol: "grpc",
  queue,
  // The batches are small, so that one more or less does not change the result.
  sendingQueue: { backlog_rate: RATE, batch: { flush_timeout: "50ms", max_size: "128KiB" } },
}));

interface Arrival {
  readonly atMs: number;
  readonly readings: number;
}

/** Collects the times at which readings of the backlog arrived. */
class Arrivals {
  readonly #seen = new Map<string, number>();
  readonly late: Arrival[] = [];

  /** Adds what has arrived since the last call. */
  look({ recorder }: Route, ids: readonly string[]): void {
    let readings = 0;
    for (const id of ids) {
      const counted = recorder.kept.countedOf(id);
      const fresh = counted.slice(this.#seen.get(id) ?? 0);
      this.#seen.set(id, counted.length);
      readings += fresh.filter(({ timeMs }) => Date.now() - timeMs > BACKLOG_MS).length;
    }
    if (readings > 0) this.late.push({ atMs: performance.now(), readings });
  }
}

async function drainSlowly(scene: Scene, { beforeMs, outageMs }: typeof SHORT): Promise<string> {
  const routes = await startRoutes(scene, SPECS);
  const receiver = { ...scene.receiver(), collection_interval: `${SCRAPE_INTERVAL_MS}ms` };
  const agent = await scene.start({ ...configWith(scene, routes), receivers: { kata: receiver } });
  const watch = watchAccounts(agent);
  const ids = [...scene.simulator.sandboxes.keys()];
  await sleep(beforeMs);
  await setModes(routes, "refusing");
  await sleep(outageMs);
  await setModes(routes, "up");
  const texts = await Promise.all(routes.map((route) => measure(route, ids)));
  const accounts = await drainAndBalance(scene, agent, routes);
  await watch.stop();
  for (const { id, counted } of accounts) assert.equal(counted, 0, `"${id}" loses nothing`);
  const judged = judgeRoutes(scene, routes);
  assert.equal((await agent.stop("SIGTERM")).code, 0);
  return `${texts.join("\n")}\n${describeAccounts(accounts)}\n${judged}`;
}

/** Follows the arrivals until no backlog is left. Fails where they come faster than `backlog_rate` allows. */
async function measure(route: Route, ids: readonly string[]): Promise<string> {
  const arrivals = new Arrivals();
  let lateBefore = 0;
  await poll(
    `the backlog of ${route.id}`,
    () => {
      arrivals.look(route, ids);
      const isOver = lateBefore > 0 && arrivals.late.length === lateBefore && isFresh(route, ids);
      lateBefore = arrivals.late.length;
      return isOver || undefined;
    },
    120_000,
  );
  const [first, ...rest] = arrivals.late;
  assert.ok(first !== undefined && rest.length > 0, `"${route.id}" has a backlog`);
  const seconds = ((rest.at(-1)?.atMs ?? 0) - first.atMs) / 1_000;
  // The first readings are the ones that the agent sends before it knows how much the peer takes.
  const readings = rest.reduce((sum, arrival) => sum + arrival.readings, 0);
  const perSecond = (ids.length * 1_000) / SCRAPE_INTERVAL_MS;
  const text = `${route.id}: ${readings} late readings in ${seconds.toFixed(1)} s, while ${perSecond} come in a second`;
  assert.ok(readings <= SLACK * RATE * perSecond * seconds, text);
  return text;
}

/** Returns whether the latest reading of every sandbox was scraped just now. */
function isFresh({ recorder }: Route, ids: readonly string[]): boolean {
  return ids.every((id) => Date.now() - (recorder.kept.latestArrivalOf(id) ?? 0) < BACKLOG_MS);
}

async function run({ seed, long, print }: Scale): Promise<void> {
  const scene = await startScene({ seed });
  try {
    print(await drainSlowly(scene, long ? LONG : SHORT));
  } finally {
    await scene.close();
  }
}

export const backlog: Scenario = {
  name: "backlog",
  summary: "after an outage the backlog arrives at most backlog_rate times as fast as new readings",
  run,
};
