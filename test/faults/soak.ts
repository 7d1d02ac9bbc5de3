// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../kit/free_port.ts";
import { residentMib } from "../kit/process_usage.ts";
import { exporterIn } from "./accounts.ts";
import { renderPlot, slopeOf } from "./plot.ts";
import { type Pushing, startPushing } from "./pushing.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { DISK, type Scene, startScene } from "./scene.ts";
import { assertNothingLost, describeVerdict } from "./verdict.ts";
import type { AgentConfig, WatchedAgent } from "./watched_agent.ts";

const SANDBOXES = 250;
const SCRAPE_INTERVAL = "10s";
const CHURN_EVERY_MS = 2_000;
const SAMPLE_EVERY_MS = 5_000;
const PULL_EVERY_SAMPLES = 3;
/** In each cycle of this many samples, the destinations are down for `OUTAGE_SAMPLES`. */
const OUTAGE_CYCLE = 36;
const OUTAGE_SAMPLES = 4;
/** The first part of the run is warm-up, in which layouts are made and code is compiled. */
const WARM_UP_SHARE = 0.4;
const WARM_UP_S_MAX = 600;
const MIB = 1_048_576;
/** A leak in every scrape, or with every sandbox, would be larger than this. */
const GROWTH_MIB_PER_MINUTE_MAX = 1;
/** Shorter runs are mostly warm-up and are not judged. */
const JUDGED_MINUTES_MIN = 10;
const MORE_FILES_MAX = 40;

interface Samples {
  readonly seconds: number[];
  readonly rssMib: number[];
  readonly openFiles: number[];
  /** The size of the queue on disk. */
  readonly queueMib: number[];
  /** The size of all queues in memory. */
  readonly memoryQueuesMib: number[];
  readonly received: number[];
}

function configOf(scene: Scene, page: string, { exporters }: Pushing): AgentConfig {
  const config = scene.config();
  const all = { ...config.exporters, ...exporters, prometheus: { endpoint: page } };
  return {
    ...config,
    receivers: { kata: { ...scene.receiver(), collection_interval: SCRAPE_INTERVAL } },
    processors: { cri_metadata: { endpoint: scene.simulator.criEndpoint } },
    exporters: all,
    service: {
      ...config.service,
      pipelines: {
        metrics: { receivers: ["kata"], processors: ["cri_metadata"], exporters: Object.keys(all) },
      },
    },
  };
}

/** Ends the oldest sandbox and adds a new one, again and again until the signal aborts. */
async function churn({ simulator }: Scene, stop: AbortSignal): Promise<number> {
  let replaced = 0;
  for (; !stop.aborted; replaced++) {
    await sleep(CHURN_EVERY_MS);
    const [oldest] = simulator.sandboxes.keys();
    if (oldest !== undefined) await simulator.end(oldest);
    await simulator.add();
  }
  return replaced;
}

/** Takes samples of the agent, pulls its page as Prometheus does, and stops the destinations from time to time. */
async function observe({ scene, agent, page, pushing, minutes }: Observed): Promise<Samples> {
  const samples: Samples = {
    seconds: [],
    rssMib: [],
    openFiles: [],
    queueMib: [],
    memoryQueuesMib: [],
    received: [],
  };
  const start = performance.now();
  for (let count = 0; performance.now() - start < minutes * 60_000; count++) {
    await sleep(SAMPLE_EVERY_MS);
    assert.ok(!agent.hasEnded(), `the agent has ended:\n${agent.stderr().slice(-2_000)}`);
    const isDown = count % OUTAGE_CYCLE >= OUTAGE_CYCLE - OUTAGE_SAMPLES;
    const mode = isDown ? "unavailable" : "up";
    for (const recorder of [scene.recorder, ...pushing.recorders])
      if (recorder.mode !== mode) await recorder.setMode(mode);
    if (count % PULL_EVERY_SAMPLES === 0) await (await fetch(`http://${page}/metrics`)).arrayBuffer();
    const { exporters } = await agent.counters();
    const sizes = Object.keys(pushing.exporters).map((id) => exporters.get(id)?.queueSize ?? 0);
    samples.seconds.push((performance.now() - start) / 1_000);
    samples.rssMib.push(residentMib(agent.pid));
    samples.openFiles.push(readdirSync(`/proc/${agent.pid}/fd`).length);
    samples.queueMib.push((exporters.get(DISK)?.queueSize ?? 0) / MIB);
    samples.memoryQueuesMib.push(sizes.reduce((sum, bytes) => sum + bytes, 0) / MIB);
    samples.received.push(scene.recorder.kept.unique);
  }
  return samples;
}

interface Observed {
  readonly scene: Scene;
  readonly agent: WatchedAgent;
  readonly page: string;
  readonly pushing: Pushing;
  readonly minutes: number;
}

/** Writes the samples as a table and as a picture, and returns the paths. */
function write(samples: Samples): string {
  const folder = mkdtempSync(join(tmpdir(), "soak-"));
  const { seconds, rssMib, openFiles, queueMib, memoryQueuesMib, received } = samples;
  const columns = [seconds, rssMib, openFiles, queueMib, memoryQueuesMib, received];
  const rows = seconds.map((_, index) =>
    columns.map((column) => Number((column[index] ?? 0).toFixed(2))).join(","),
  );
  const head = "seconds,rss_mib,open_files,queue_mib,memory_queues_mib,points_received";
  writeFileSync(join(folder, "soak.csv"), [head, ...rows, ""].join("\n"));
  const plot = renderPlot(`${SANDBOXES} sandboxes over time`, seconds, [
    { name: "resident memory", unit: "MiB", values: rssMib },
    { name: "open files", unit: "descriptors", values: openFiles },
    { name: "queue on disk", unit: "MiB", values: queueMib },
    { name: "queues in memory", unit: "MiB", values: memoryQueuesMib },
  ]);
  writeFileSync(join(folder, "soak.svg"), plot);
  return folder;
}

/** Returns how the agent's memory and files changed after the warm-up. */
function describeGrowth({ seconds, rssMib, openFiles }: Samples): {
  text: string;
  growth: number;
  more: number;
} {
  const warmUp = Math.min(WARM_UP_S_MAX, (seconds.at(-1) ?? 0) * WARM_UP_SHARE);
  const from = seconds.findIndex((second) => second >= warmUp);
  const growth = slopeOf(seconds.slice(from), rssMib.slice(from)) * 60;
  const files = openFiles.slice(from);
  const half = Math.floor(files.length / 2);
  const more = Math.max(...files.slice(half)) - Math.max(...files.slice(0, half));
  const memory = rssMib.slice(from);
  const text =
    `after ${warmUp.toFixed(0)} s of warm-up: resident memory ${Math.min(...memory).toFixed(0)} to ` +
    `${Math.max(...memory).toFixed(0)} MiB, growing by ${growth.toFixed(3)} MiB a minute; ` +
    `open files at most ${Math.max(...files)}, ${more} more in the second half than in the first`;
  return { text, growth, more };
}

/** Checks the agent's own counters for the exporters whose destinations record no points. */
async function assertNothingCounted(agent: WatchedAgent, ids: readonly string[]): Promise<void> {
  const counters = await agent.counters();
  for (const id of ids) {
    const { sent, failed, enqueueFailed } = exporterIn(counters, id);
    assert.deepEqual([[...failed], enqueueFailed], [[], 0], `"${id}" loses nothing`);
    assert.ok(sent > 0, `"${id}" sends`);
  }
}

async function run({ seed, minutes, print }: Scale): Promise<void> {
  const scene = await startScene({ seed, simulator: { sandboxes: SANDBOXES, cri: true, page: {} } });
  const page = `127.0.0.1:${await freePort()}`;
  const stop = new AbortController();
  try {
    const pushing = await startPushing(scene);
    const agent = await scene.start(configOf(scene, page, pushing));
    const churning = churn(scene, stop.signal);
    const samples = await observe({ scene, agent, page, pushing, minutes });
    stop.abort();
    const replaced = await churning;
    const { text, growth, more } = describeGrowth(samples);
    print(`${SANDBOXES} sandboxes, ${replaced} replaced, ${minutes} minutes; written to ${write(samples)}`);
    print(text);
    await scene.drain(agent, [DISK, ...Object.keys(pushing.exporters)]);
    await assertNothingCounted(agent, Object.keys(pushing.exporters));
    assert.equal((await agent.stop("SIGTERM")).code, 0);
    const verdict = scene.judge();
    print(describeVerdict(verdict));
    assertNothingLost(verdict);
    assert.doesNotMatch(agent.stderr(), /BUG/);
    if (minutes < JUDGED_MINUTES_MIN) return;
    assert.ok(growth < GROWTH_MIB_PER_MINUTE_MAX, `resident memory grows by ${growth} MiB a minute`);
    assert.ok(more < MORE_FILES_MAX, `${more} more files are open`);
  } finally {
    stop.abort();
    await scene.close();
  }
}

export const soak: Scenario = {
  name: "soak",
  summary: `${SANDBOXES} sandboxes that come and go for --minutes, to every exporter that pushes: memory and open files over time`,
  run,
};
