// SPDX-License-Identifier: Apache-2.0
import type { Simulator, SimulatorOptions } from "../../../src/simulator/simulator.ts";
import { freePort } from "../free_port.ts";
import { type AgentProcess, startAgentProcess } from "./agent_process.ts";
import { rootsOf, startNodeSimulator } from "./simulator.ts";

/** A simulated node in this process, and the agent on it in a process of its own. */
export interface NodeWithAgent {
  readonly simulator: Simulator;
  readonly agent: AgentProcess;
  /** `127.0.0.1:port` of the agent's listener. */
  readonly listenAddress: string;
  /** Asks the agent's listener. */
  get(path: string): Promise<{ readonly status: number; readonly text: string }>;
  close(): Promise<void>;
}

/** Starts a simulated node, and on it the agent that `startAgent` starts, which listens at the address. */
export async function startNodeWith(
  startAgent: (simulator: Simulator, listenAddress: string) => Promise<AgentProcess>,
  options?: Partial<SimulatorOptions>,
): Promise<NodeWithAgent> {
  const { simulator, close } = await startNodeSimulator(options);
  const listenAddress = `127.0.0.1:${await freePort()}`;
  const agent = await startAgent(simulator, listenAddress).catch(async (error: unknown) => {
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

/** A simulated node whose agent has a configuration, as `startNode` makes it. */
export interface SimulatedNode extends NodeWithAgent {
  readonly config: AgentConfigObject;
  /** The file that holds the configuration. */
  readonly configPath: string;
  /** The Prometheus page, or what is at another path of its listener. */
  page(path?: string): Promise<string>;
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

/** Starts a simulated node and the agent on it, with the default pipeline. Each sandbox is scraped every second. */
export async function startNode({ simulator, configure }: NodeOptions = {}): Promise<SimulatedNode> {
  let config: AgentConfigObject | undefined;
  const node = await startNodeWith(
    (started, listenAddress) => {
      config = nodeConfig(started, listenAddress);
      configure?.(config);
      return startAgentProcess(config);
    },
    { cri: true, ...simulator },
  );
  if (config === undefined) throw new Error("BUG: an agent runs without a config");
  return {
    ...node,
    config,
    configPath: node.agent.configPath,
    page: async (path = "/metrics") => (await node.get(path)).text,
  };
}

function nodeConfig(simulator: Simulator, endpoint: string): AgentConfigObject {
  return {
    receivers: {
      kata: { roots: rootsOf(simulator), collection_interval: "1s", reconcile_interval: "1s" },
    },
    processors: { cri_metadata: { endpoint: simulator.criEndpoint ?? "unix:///nowhere" } },
    exporters: { prometheus: { endpoint } },
    service: {
      telemetry: { metrics: { level: "none" } },
      pipelines: {
        metrics: { receivers: ["kata"], processors: ["cri_metadata"], exporters: ["prometheus"] },
      },
    },
  };
}
