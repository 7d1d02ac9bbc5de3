// SPDX-License-Identifier: Apache-2.0
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import { freePort } from "../kit/free_port.ts";
import { pullReader, startAgentProcess } from "../kit/node/agent_process.ts";
import { BUILT_MAIN } from "../kit/node/cli_process.ts";
import { poll } from "../kit/poll.ts";
import { processCpuMs, residentMib } from "../kit/process_usage.ts";
import { withSimulatedNode } from "./simulated_node.ts";

/** The cost of the whole agent, in a process of its own, on a simulated node in another process. */
export interface AgentRow {
  readonly sandboxes: number;
  /** CPU (user and system) per sandbox and scrape while nobody pulls. */
  readonly "ms/scrape": string;
  /** The same, including the work of pulls, while one puller takes the plain page once per interval. */
  readonly "with pull": string;
  readonly "with gzip pull": string;
  readonly "RSS MB": number;
  readonly "peak RSS MB": number;
  /** The longest time for which the event loop was blocked, in all windows. */
  readonly "stall ms": string;
  readonly "pull s": string;
  readonly "page MB": string;
  readonly "gzip pull s": string;
  readonly "gzip MB": string;
  /** The number of sandboxes that were missing on the plain page and on the one with gzip. */
  readonly missing: number;
}

const INTERVAL_S = 15;
/** Intervals per measured window. */
const WINDOW_INTERVALS = 2;

/** Measures one row per size. A size takes about two minutes. */
export async function benchAgent(sizes: readonly number[]): Promise<readonly AgentRow[]> {
  const rows: AgentRow[] = [];
  for (const size of sizes) rows.push(await measure(size));
  return rows;
}

function measure(sandboxes: number): Promise<AgentRow> {
  return withSimulatedNode({ sandboxes }, async (dir) => {
    const [port, telemetryPort] = [await freePort(), await freePort()];
    const agent = await startAgentProcess(configOf(dir, port, telemetryPort), BUILT_MAIN);
    try {
      return await measureAgent(sandboxes, { pid: agent.pid, port, telemetryPort });
    } finally {
      await agent.stop();
    }
  });
}

function configOf(dir: string, port: number, telemetryPort: number): unknown {
  return {
    receivers: { kata: { roots: [join(dir, "run/vc/sbs")], collection_interval: `${INTERVAL_S}s` } },
    processors: { cri_metadata: { endpoint: `unix://${dir}/cri.sock` } },
    exporters: { prometheus: { endpoint: `127.0.0.1:${port}` } },
    service: {
      telemetry: { logs: { level: "info" }, metrics: { readers: [pullReader(telemetryPort)] } },
      pipelines: {
        metrics: { receivers: ["kata"], processors: ["cri_metadata"], exporters: ["prometheus"] },
      },
    },
  };
}

interface Target {
  readonly pid: number;
  readonly port: number;
  readonly telemetryPort: number;
}

async function measureAgent(sandboxes: number, target: Target): Promise<AgentRow> {
  await poll(
    "all sandboxes to be up",
    async () => ((await upCount(target)) >= sandboxes ? true : undefined),
    120_000,
  );
  // The first scrapes make the layouts and warm up the code; the steady state is what a node sees.
  await sleep(2 * INTERVAL_S * 1_000);
  await stallMs(target);
  const idle = await cpuPerScrape(target, sandboxes, async () => {});
  const stalls = [await stallMs(target)];
  const plain: Pulled[] = [];
  const withPull = await cpuPerScrape(
    target,
    sandboxes,
    async () => void plain.push(await pull(target, "identity")),
  );
  stalls.push(await stallMs(target));
  const gzip: Pulled[] = [];
  const withGzip = await cpuPerScrape(
    target,
    sandboxes,
    async () => void gzip.push(await pull(target, "gzip")),
  );
  stalls.push(await stallMs(target));
  const missing = [...plain, ...gzip].reduce((sum, { up }) => sum + (sandboxes - up), 0);
  return {
    sandboxes,
    "ms/scrape": idle.toFixed(2),
    "with pull": withPull.toFixed(2),
    "with gzip pull": withGzip.toFixed(2),
    "RSS MB": Math.round(residentMib(target.pid)),
    "peak RSS MB": Math.round(residentMib(target.pid, "VmHWM")),
    "stall ms": Math.max(...stalls).toFixed(0),
    "pull s": slowest(plain),
    "page MB": megabytes(plain),
    "gzip pull s": slowest(gzip),
    "gzip MB": megabytes(gzip),
    missing,
  };
}

/** CPU milliseconds per sandbox and scrape over the window, in which `each` runs once per interval. */
async function cpuPerScrape({ pid }: Target, sandboxes: number, each: () => Promise<void>): Promise<number> {
  const before = processCpuMs(pid);
  const start = performance.now();
  for (let interval = 1; interval <= WINDOW_INTERVALS; interval++) {
    await each();
    await sleep(Math.max(0, start + interval * INTERVAL_S * 1_000 - performance.now()));
  }
  const scrapes = (sandboxes * (performance.now() - start)) / (INTERVAL_S * 1_000);
  return (processCpuMs(pid) - before) / scrapes;
}

export interface Pulled {
  readonly seconds: number;
  /** The bytes of the answer, compressed or not. */
  readonly bytes: number;
  /** The number of sandboxes whose `kata_collector_sandbox_up` is 1 on the page. */
  readonly up: number;
}

/** Pulls the page and counts its bytes and sandboxes while it arrives. */
export function pull({ port }: Pick<Target, "port">, encoding: "identity" | "gzip"): Promise<Pulled> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const asked = request(
      { port, host: "127.0.0.1", path: "/metrics", headers: { "Accept-Encoding": encoding } },
      (response) => {
        let bytes = 0;
        let up = 0;
        let rest = "";
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
        });
        const text = encoding === "gzip" ? response.pipe(createGunzip()) : response;
        text.on("data", (chunk: Buffer) => {
          const joined = rest + chunk.toString("latin1");
          const cut = joined.lastIndexOf("\n") + 1;
          up += joined.slice(0, cut).match(/^kata_collector_sandbox_up\{.*\} 1$/gm)?.length ?? 0;
          rest = joined.slice(cut);
        });
        text.on("end", () => resolve({ seconds: (performance.now() - start) / 1_000, bytes, up }));
        text.on("error", reject);
      },
    );
    asked.on("error", reject);
    asked.end();
  });
}

/** Returns the number of sandboxes that are up, by the agent's own metrics. */
export async function upCount({ telemetryPort }: Pick<Target, "telemetryPort">): Promise<number> {
  return await ownMetric(telemetryPort, /^kata_collector_sandboxes\{.*state="up".*\} (\S+)$/m);
}

/** Returns the longest time for which the event loop was blocked since the last call, by the agent's own metrics. */
export async function stallMs({ telemetryPort }: Pick<Target, "telemetryPort">): Promise<number> {
  return (await ownMetric(telemetryPort, /^kata_collector_event_loop_delay_max_seconds\S* (\S+)$/m)) * 1_000;
}

async function ownMetric(port: number, pattern: RegExp): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  return Number(pattern.exec(await response.text())?.[1] ?? Number.NaN);
}

function slowest(pulls: readonly Pulled[]): string {
  return Math.max(...pulls.map(({ seconds }) => seconds)).toFixed(2);
}

function megabytes(pulls: readonly Pulled[]): string {
  return (Math.max(...pulls.map(({ bytes }) => bytes)) / 1e6).toFixed(1);
}
