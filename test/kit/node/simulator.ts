// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Simulator, type SimulatorOptions, startSimulator } from "../../../src/simulator/simulator.ts";
import { poll } from "../poll.ts";
import { type CliProcess, SIMULATOR_MAIN, startCli } from "./cli_process.ts";

/** A simulated node in a temporary folder of its own. */
export interface NodeSimulator {
  readonly simulator: Simulator;
  /** The folder. It may hold other files, which are removed with it. */
  readonly dir: string;
  /** Ends the simulator and removes the folder. */
  close(): Promise<void>;
}

/** Starts a simulated node in this process; three sandboxes of both runtimes and a container runtime by default. */
export async function startNodeSimulator(options: Partial<SimulatorOptions> = {}): Promise<NodeSimulator> {
  const dir = await mkdtemp(join(tmpdir(), "node-"));
  const simulator = await startSimulator({ dir, sandboxes: 3, flavor: "mixed", ...options });
  return {
    simulator,
    dir,
    async close() {
      await simulator.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** The simulator's roots with their runtimes, for `receivers::kata::roots`. */
export function rootsOf({ goRoot, rsRoot }: Pick<Simulator, "goRoot" | "rsRoot">): readonly object[] {
  return [
    { path: goRoot, runtime: "go" },
    { path: rsRoot, runtime: "rs" },
  ];
}

/** Starts the simulator in a process of its own, with these arguments, and waits until all sandboxes are served. */
export async function startSimulatorProcess(dir: string, args: readonly string[]): Promise<CliProcess> {
  const simulator = startCli(["simulate", "--dir", dir, ...args], {}, SIMULATOR_MAIN);
  try {
    await poll("the simulator", () => simulator.stdout().includes("are served") || undefined, 120_000);
  } catch (error) {
    simulator.kill("SIGKILL");
    throw error;
  }
  return simulator;
}

/** Runs `work` while a simulator runs in a process of its own with these arguments; `dir` is the simulator's folder. */
export async function withSimulatorProcess<T>(
  args: readonly string[],
  work: (dir: string) => Promise<T>,
): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "node-"));
  try {
    const simulator = await startSimulatorProcess(dir, args);
    try {
      return await work(dir);
    } finally {
      simulator.kill("SIGTERM");
      await simulator.finished;
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
