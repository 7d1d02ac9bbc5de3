// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../kit/free_port.ts";
import { pullReader, startAgentProcess } from "../kit/node/agent_process.ts";
import { BUILT_MAIN } from "../kit/node/cli_process.ts";
import { poll } from "../kit/poll.ts";
import { processCpuMs, residentMib } from "../kit/process_usage.ts";
import { stallMs, upCount } from "./agent.ts";
import { withSimulatedNode } from "./simulated_node.ts";

/** The cost of directories without a socket for an agent with ten real sandboxes among them. */
export interface FloodRow {
  readonly "empty directories": number;
  /** The time from the agent's start until all real sandboxes are up. They are older than the flood. */
  readonly "up after s": string;
  /** The share of one processor, in the second minute. */
  readonly "CPU %": string;
  readonly "RSS MB": number;
  readonly "peak RSS MB": number;
  /** The longest time for which the event loop was blocked, from the start to the end. */
  readonly "stall ms": string;
  /** The number of real sandboxes that were never up. */
  readonly missing: number;
}

const REAL = 10;
const SIZES = [0, 1_000, 10_000, 100_000];
const WARM_UP_MS = 60_000;
const WINDOW_MS = 60_000;

/** Measures one row per size, each of which takes two minutes. */
export async function benchFlood(): Promise<readonly FloodRow[]> {
  const rows: FloodRow[] = [];
  for (const size of SIZES)
    rows.push(await withSimulatedNode({ sandboxes: REAL }, (dir) => measure(dir, size)));
  return rows;
}

async function measure(dir: string, size: number): Promise<FloodRow> {
  const root = join(dir, "run/vc/sbs");
  for (let i = 0; i < size; i++) mkdirSync(join(root, `empty-${i}`.padEnd(64, "-")));
  const telemetryPort = await freePort();
  const startMs = performance.now();
  const agent = await startAgentProcess(configOf(root, telemetryPort), BUILT_MAIN);
  try {
    const isUp = async (): Promise<true | undefined> =>
      (await upCount({ telemetryPort })) >= REAL ? true : undefined;
    const upMs = await poll("the real sandboxes", isUp, WARM_UP_MS).then(
      () => performance.now() - startMs,
      () => Number.POSITIVE_INFINITY,
    );
    await sleep(Math.max(0, WARM_UP_MS - (performance.now() - startMs)));
    const before = processCpuMs(agent.pid);
    await sleep(WINDOW_MS);
    const cpu = ((processCpuMs(agent.pid) - before) / WINDOW_MS) * 100;
    return {
      "empty directories": size,
      "up after s": (upMs / 1_000).toFixed(1),
      "CPU %": cpu.toFixed(2),
      "RSS MB": Math.round(residentMib(agent.pid)),
      "peak RSS MB": Math.round(residentMib(agent.pid, "VmHWM")),
      "stall ms": (await stallMs({ telemetryPort })).toFixed(0),
      missing: REAL - (await upCount({ telemetryPort })),
    };
  } finally {
    await agent.stop();
  }
}

function configOf(root: string, telemetryPort: number): unknown {
  return {
    receivers: { kata: { roots: [root] } },
    exporters: { nop: {} },
    service: {
      telemetry: { metrics: { readers: [pullReader(telemetryPort)] } },
      pipelines: { metrics: { receivers: ["kata"], exporters: ["nop"] } },
    },
  };
}
