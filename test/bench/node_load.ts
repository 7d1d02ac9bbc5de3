// SPDX-License-Identifier: Apache-2.0
import { get } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../kit/free_port.ts";
import { pullReader, startAgentProcess } from "../kit/node/agent_process.ts";
import { BUILT_MAIN } from "../kit/node/cli_process.ts";
import { poll } from "../kit/poll.ts";
import { processCpuMs } from "../kit/process_usage.ts";
import { pull, upCount } from "./agent.ts";
import { withSimulatedNode } from "./simulated_node.ts";

/** The cost of hostile sandboxes for an agent that also scrapes honest ones. */
export interface NodeLoadRow {
  readonly sandboxes: string;
  /** The share of one processor, over half a minute without pulls. */
  readonly "CPU %": string;
  /** The number of honest sandboxes that were not up on the page in the end. */
  readonly missing: number;
}

const HONEST = 100;
const INTERVAL_S = 15;
const WINDOW_S = 2 * INTERVAL_S;

/** Measures the CPU of the agent on a node of honest sandboxes, and with ten hostile ones in addition. */
export async function benchHostileNode(): Promise<readonly NodeLoadRow[]> {
  const rows: NodeLoadRow[] = [];
  for (const [name, hostile, faults] of [
    [`${HONEST} honest`, 0, ""],
    [`${HONEST} honest, 10 honest more`, 10, ""],
    [`${HONEST} honest, 10 hostile`, 10, "churning=4,hostile=3,huge=1,hang=1,garbage=1"],
  ] as const) {
    await withNode({ sandboxes: HONEST + hostile, faults }, async (target) => {
      await sleep(2 * INTERVAL_S * 1_000);
      const before = processCpuMs(target.pid);
      await sleep(WINDOW_S * 1_000);
      const cpu = (processCpuMs(target.pid) - before) / (WINDOW_S * 10);
      const { up } = await pull(target, "identity");
      rows.push({ sandboxes: name, "CPU %": cpu.toFixed(2), missing: Math.max(0, HONEST - up) });
    });
  }
  return rows;
}

/** The duration of simultaneous pulls. */
export interface PullersRow {
  readonly pullers: number;
  readonly encoding: string;
  readonly "page MB": string;
  readonly "median s": string;
  readonly "slowest s": string;
  readonly refused: number;
  /** The CPU time of the agent for all pulls together. */
  readonly "CPU s": string;
}

/** Measures the latency of the page while several pullers pull three times in a row. */
export async function benchPullers(): Promise<readonly PullersRow[]> {
  const rows: PullersRow[] = [];
  await withNode({ sandboxes: HONEST, faults: "" }, async (target) => {
    for (const encoding of ["identity", "gzip"] as const) {
      for (const pullers of [1, 50]) {
        const before = processCpuMs(target.pid);
        const pulls: Taken[] = [];
        for (let round = 0; round < 3; round++)
          pulls.push(...(await Promise.all(Array.from({ length: pullers }, () => take(target, encoding)))));
        const cpuS = (processCpuMs(target.pid) - before) / 1_000;
        const times = pulls.map(({ seconds }) => seconds).sort((a, b) => a - b);
        rows.push({
          pullers,
          encoding,
          "page MB": (Math.max(...pulls.map(({ bytes }) => bytes)) / 1e6).toFixed(1),
          "median s": (times[times.length >> 1] ?? Number.NaN).toFixed(2),
          "slowest s": (times.at(-1) ?? Number.NaN).toFixed(2),
          refused: pulls.filter(({ status }) => status !== 200).length,
          "CPU s": cpuS.toFixed(1),
        });
      }
    }
  });
  return rows;
}

interface Taken {
  readonly seconds: number;
  readonly status: number;
  readonly bytes: number;
}

/** Pulls the page without parsing it, which would be most of the work of this many pullers in one process. */
function take({ port }: Target, encoding: string): Promise<Taken> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const headers = { "Accept-Encoding": encoding };
    get({ port, host: "127.0.0.1", path: "/metrics", headers, agent: false }, (response) => {
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on("end", () => {
        const seconds = (performance.now() - start) / 1_000;
        resolve({ seconds, status: response.statusCode ?? 0, bytes });
      });
    }).on("error", reject);
  });
}

interface Target {
  readonly pid: number;
  readonly port: number;
  readonly telemetryPort: number;
}

function withNode(
  node: { readonly sandboxes: number; readonly faults: string },
  work: (target: Target) => Promise<void>,
): Promise<void> {
  return withSimulatedNode(node, async (dir) => {
    const [port, telemetryPort] = [await freePort(), await freePort()];
    const agent = await startAgentProcess(configOf(dir, port, telemetryPort), BUILT_MAIN);
    try {
      const target = { pid: agent.pid, port, telemetryPort };
      await poll(
        "the honest to be up",
        async () => ((await upCount(target)) >= HONEST ? true : undefined),
        60_000,
      );
      await work(target);
    } finally {
      await agent.stop();
    }
  });
}

function configOf(dir: string, port: number, telemetryPort: number): unknown {
  return {
    receivers: { kata: { roots: [join(dir, "run/vc/sbs")], collection_interval: `${INTERVAL_S}s` } },
    processors: { cri_metadata: { endpoint: `unix://${dir}/cri.sock` } },
    exporters: {
      prometheus: {
        endpoint: `127.0.0.1:${port}`,
        limits: { pulls: 50, connections: 128, requests_per_second: 1_000 },
      },
    },
    service: {
      telemetry: { metrics: { readers: [pullReader(telemetryPort)] } },
      pipelines: {
        metrics: { receivers: ["kata"], processors: ["cri_metadata"], exporters: ["prometheus"] },
      },
    },
  };
}
