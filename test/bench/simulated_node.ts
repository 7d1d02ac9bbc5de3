// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SIMULATOR_MAIN, startCli } from "../kit/node/agent_process.ts";
import { poll } from "../kit/poll.ts";

/** A node of Go sandboxes in a process of its own, for as long as `work` takes; `dir` is where it is. */
export async function withSimulatedNode<T>(
  { sandboxes, faults = "" }: { readonly sandboxes: number; readonly faults?: string },
  work: (dir: string) => Promise<T>,
): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "bench-"));
  const args = ["--dir", dir, "--sandboxes", String(sandboxes), "--flavor", "go", "--faults", faults];
  const simulator = startCli(["simulate", ...args], {}, SIMULATOR_MAIN);
  try {
    await poll("the simulator", () => simulator.stdout().includes("are served") || undefined, 120_000);
    return await work(dir);
  } finally {
    simulator.kill("SIGTERM");
    await simulator.finished;
    await rm(dir, { recursive: true, force: true });
  }
}
