// SPDX-License-Identifier: Apache-2.0
import { withSimulatorProcess } from "../kit/node/simulator.ts";

/** Runs `work` with a node of Go sandboxes in a process of its own, whose CPU is not counted; `dir` is its folder. */
export function withSimulatedNode<T>(
  { sandboxes, faults = "" }: { readonly sandboxes: number; readonly faults?: string },
  work: (dir: string) => Promise<T>,
): Promise<T> {
  return withSimulatorProcess(["--sandboxes", String(sandboxes), "--flavor", "go", "--faults", faults], work);
}
