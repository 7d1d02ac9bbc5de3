// SPDX-License-Identifier: Apache-2.0
import type { SimulatorOptions } from "../../src/simulator/simulator.ts";
import { startAgentWith } from "../kit/node/agent_process.ts";
import { type NodeWithAgent, startNodeWith } from "../kit/node/simulated_node.ts";

export interface MonitoredNodeOptions {
  readonly simulator?: Partial<SimulatorOptions>;
  /** Replaces the simulator's container runtime. */
  readonly runtimeEndpoint?: string;
  readonly flags?: readonly string[];
  /** Further settings for `--set`; sandboxes are scraped every second if left out. */
  readonly sets?: readonly string[];
}

/** Starts a simulated node, and the agent on it with the flags that kata-monitor is started with. */
export function startMonitoredNode(options: MonitoredNodeOptions = {}): Promise<NodeWithAgent> {
  const { runtimeEndpoint, flags = [], sets = ["receivers.kata.collection_interval=1s"] } = options;
  return startNodeWith(
    (simulator, listenAddress) =>
      startAgentWith([
        "monitor",
        `-listen-address=${listenAddress}`,
        "--runtime-endpoint",
        runtimeEndpoint ?? simulator.criEndpoint ?? "",
        `--set=receivers.kata.roots=[${simulator.goRoot}, ${simulator.rsRoot}]`,
        ...flags,
        ...sets.map((set) => `--set=${set}`),
      ]),
    { sandboxes: 2, ...options.simulator },
  );
}
