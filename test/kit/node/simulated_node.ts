// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Simulator, type SimulatorOptions, startSimulator } from "../../../src/simulator/simulator.ts";
import { type AgentProcess, freePort, startAgentProcess } from "./agent_process.ts";

export interface SimulatedNode {
  readonly simulator: Simulator;
  readonly agent: AgentProcess;
  /** What the agent was started with, and where it is written. */
  readonly config: AgentConfigObject;
  readonly configPath: string;
  /** `127.0.0.1:port` of the Prometheus page. */
  readonly listenAddress: string;
  page(path?: string): Promise<string>;
  close(): Promise<void>;
}

export interface NodeOptions {
  readonly simulator?: Partial<SimulatorOptions>;
  /** Changes the config before the agent starts. */
  configure?(config: AgentConfigObject): void;
}

/** The part of a config that tests change; the rest is as in `config/kata-collector.yaml`. */
export interface AgentConfigObject {
  receivers: Record<string, Record<string, unknown>>;
  processors: Record<string, Record<string, unknown>>;
  exporters: Record<string, Record<string, unknown>>;
  service: { telemetry: Record<string, unknown>; pipelines: Record<string, Record<string, string[]>> };
}

/** A simulated node and the agent on it, as two processes' worth of real sockets; scraped every second. */
export async function startNode(options: NodeOptions = {}): Promise<SimulatedNode> {
  const dir = await mkdtemp(join(tmpdir(), "node-"));
  const simulator = await startSimulator({
    dir,
    sandboxes: 3,
    flavor: "mixed",
    bootDelayMs: 0,
    cri: true,
    ...options.simulator,
  });
  const listenAddress = `127.0.0.1:${await freePort()}`;
  const config: AgentConfigObject = {
    receivers: {
      kata: {
        roots: [
          { path: simulator.goRoot, runtime: "go" },
          { path: simulator.rsRoot, runtime: "rs" },
        ],
        collection_interval: "1s",
        reconcile_interval: "1s",
      },
    },
    processors: { cri_metadata: { endpoint: simulator.criEndpoint ?? "unix:///nowhere" } },
    exporters: { prometheus: { endpoint: listenAddress } },
    service: {
      telemetry: { metrics: { level: "none" } },
      pipelines: {
        metrics: { receivers: ["kata"], processors: ["cri_metadata"], exporters: ["prometheus"] },
      },
    },
  };
  options.configure?.(config);
  const closeSimulator = async (): Promise<void> => {
    await simulator.close();
    await rm(dir, { recursive: true, force: true });
  };
  const agent = await startAgentProcess(config).catch(async (error: unknown) => {
    await closeSimulator();
    throw error;
  });
  return {
    simulator,
    agent,
    config,
    configPath: agent.configPath,
    listenAddress,
    async page(path = "/metrics") {
      const response = await fetch(`http://${listenAddress}${path}`);
      return await response.text();
    },
    async close() {
      await agent.stop();
      await closeSimulator();
    },
  };
}
