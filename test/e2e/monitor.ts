// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Simulator, type SimulatorOptions, startSimulator } from "../../src/simulator/simulator.ts";
import { type AgentProcess, freePort, startAgentWith } from "../kit/node/agent_process.ts";

/** A simulated node, and the agent on it as whoever runs kata-monitor starts it. */
export interface MonitoredNode {
  readonly simulator: Simulator;
  readonly agent: AgentProcess;
  readonly listenAddress: string;
  get(path: string): Promise<{ readonly status: number; readonly text: string }>;
  close(): Promise<void>;
}

export interface MonitoredNodeOptions {
  readonly simulator?: Partial<SimulatorOptions>;
  /** In place of the simulator's CRI. */
  readonly runtimeEndpoint?: string;
  readonly flags?: readonly string[];
  /** Scraped every second if left out. */
  readonly sets?: readonly string[];
}

export async function startMonitoredNode(options: MonitoredNodeOptions = {}): Promise<MonitoredNode> {
  const dir = await mkdtemp(join(tmpdir(), "monitored-"));
  const simulator = await startSimulator({ dir, sandboxes: 2, flavor: "mixed", ...options.simulator });
  const close = async (): Promise<void> => {
    await simulator.close();
    await rm(dir, { recursive: true, force: true });
  };
  const listenAddress = `127.0.0.1:${await freePort()}`;
  const { sets = ["receivers.kata.collection_interval=1s"] } = options;
  const roots = `[${simulator.goRoot}, ${simulator.rsRoot}]`;
  const agent = await startAgentWith([
    "monitor",
    `-listen-address=${listenAddress}`,
    "--runtime-endpoint",
    options.runtimeEndpoint ?? simulator.criEndpoint ?? "",
    `--set=receivers.kata.roots=${roots}`,
    ...(options.flags ?? []),
    ...sets.map((set) => `--set=${set}`),
  ]).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    simulator,
    agent,
    listenAddress,
    async get(path) {
      const response = await fetch(`http://${listenAddress}${path}`);
      return { status: response.status, text: await response.text() };
    },
    async close() {
      await agent.stop();
      await close();
    },
  };
}
