// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "../clock/clock.ts";
import type { PageSizes } from "./page_families.ts";
import { createPage } from "./pages.ts";
import { age, outlive, writePersist, writeState } from "./sandbox_files.ts";
import { type Shim, startShim } from "./shim.ts";
import type { NodeSandbox } from "./simulated_sandbox.ts";

/** The options of all sandboxes of a node: how they start, and what their pages and files have. */
export interface StartOptions {
  /**
   * How long guests boot, in milliseconds. A Go shim's socket appears this much later than its directory, and the state.json of
   * runtime-rs this much later than its socket.
   */
  readonly bootDelayMs?: number;
  /** How many milliseconds late "slow_shim" answers; 9,000 if left out. */
  readonly answerDelayMs?: number | undefined;
  readonly page?: PageSizes;
  /** The hypervisor in the state.json of runtime-rs sandboxes; "dragonball" if left out. */
  readonly hypervisor?: string;
}

/** The result of a start. */
export interface Started {
  /** Whether the guest has booted and the shim has started. */
  readonly isUp: boolean;
  /** Whether the container runtime lists the sandbox as a pod that is ready. */
  readonly isPod: boolean;
}

interface SeededOptions extends StartOptions {
  readonly seed: number;
}

const NOTHING: Started = { isUp: false, isPod: false };

/**
 * Makes the files of the sandbox and its shim, in the order of its runtime. Rejects if the sandbox ends before it has
 * started.
 */
export async function startSandbox(sandbox: NodeSandbox, options: SeededOptions): Promise<Started> {
  const { directory, fault } = sandbox;
  switch (fault) {
    case "no_directory":
      return { isUp: false, isPod: true };
    case "left_directory":
      return NOTHING;
    case "dead_persist":
      await writePersist(directory);
      await age(join(directory, "persist.json"));
      return NOTHING;
    case "old_state":
      await bootForEver(sandbox, options);
      return NOTHING;
    default:
      await boot(sandbox, options);
      return { isUp: true, isPod: true };
  }
}

/**
 * Starts a sandbox that never finishes booting. Its state.json says that a scrape is harmless, but is from an earlier life: it is
 * older than the socket.
 */
async function bootForEver(sandbox: NodeSandbox, options: SeededOptions): Promise<void> {
  const { directory, socketPath } = sandbox;
  const statePath = join(directory, "state.json");
  await writeState(directory, sandbox.id, "dragonball");
  await age(statePath);
  sandbox.shim = await makeShim(sandbox, options);
  await outlive(socketPath, statePath);
  await sandbox.booted();
}

async function boot(sandbox: NodeSandbox, options: SeededOptions): Promise<void> {
  const { hypervisor = "dragonball", bootDelayMs = 0 } = options;
  const { flavor, directory } = sandbox;
  const guestBoots = async (): Promise<void> => {
    if (bootDelayMs > 0) await delay(bootDelayMs, undefined, { signal: sandbox.ending.signal });
  };
  if (flavor === "go") {
    await writePersist(directory);
    await guestBoots();
    sandbox.shim = await makeShim(sandbox, options);
  } else {
    // The socket exists at once, but the shim answers only when the guest has booted. state.json, which names the
    // hypervisor, is written last.
    sandbox.shim = await makeShim(sandbox, options);
    await sandbox.shim.setFault("hang");
    await guestBoots();
    await writeState(directory, sandbox.id, hypervisor);
  }
  await sandbox.booted();
}

function makeShim(
  { flavor, socketPath }: NodeSandbox,
  { hypervisor = "dragonball", answerDelayMs, page: sizes, seed }: SeededOptions,
): Promise<Shim> {
  const page = createPage({ ...sizes, flavor, seed, hypervisor, clock: systemClock });
  return startShim({ flavor, socketPath, page, answerDelayMs });
}
