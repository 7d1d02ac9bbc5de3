import { closeSync, constants, openSync, readSync } from "node:fs";
import { dirname, join } from "node:path";
import { type FoundSandbox, JAILER } from "./discovery.ts";
import { statOf } from "./identity.ts";

export const SOCKET_NAME = "shim-monitor.sock";

/** Whether a sandbox may be scraped now. */
export type Readiness =
  | { readonly state: "ready" }
  | { readonly state: "pending" | "unsafe"; readonly reason: string };

/**
 * What an operator can allow: hypervisors under which released runtime-rs shims abort, and end their pod, when they
 * are asked for metrics (kata-containers issue 13708), and those of which this agent does not know.
 */
export const UNSAFE_HYPERVISORS = ["qemu", "firecracker", "unknown"] as const;
export type UnsafeHypervisor = (typeof UNSAFE_HYPERVISORS)[number];

/** As runtime-rs spells those that survive a scrape; Cloud Hypervisor's name has changed. */
const SAFE_HYPERVISORS: readonly string[] = ["dragonball", "clh", "cloud-hypervisor", "remote", "openvmm"];

/** A real state.json has a few KiB. */
const STATE_BYTES_MAX = 1024 * 1024;

/** The shim writes state.json in place, so that a reader may meet half of it. Not for longer than this. */
const WRITING_MS_MAX = 5_000;

export interface ReadinessOptions {
  readonly allowed: ReadonlySet<UnsafeHypervisor>;
  /** The shim has answered before: what runs the guest does not change. */
  readonly answered: boolean;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/** Looks whether the socket is there, and for runtime-rs whether asking does no harm. Never throws. */
export function checkReadiness(sandbox: FoundSandbox, options: ReadinessOptions): Readiness {
  try {
    const socket = statOf(join(sandbox.directory, SOCKET_NAME));
    if (socket === undefined) return pending("there is no socket yet");
    // A link could lead to another sandbox, or to a service that GET /metrics does something to.
    if (!socket.isSocket()) return unsafe(`${SOCKET_NAME} is no socket`);
    return options.answered ? { state: "ready" } : checkHypervisor(sandbox, options);
  } catch (error) {
    return pending(`cannot look at the sandbox: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function checkHypervisor(sandbox: FoundSandbox, options: ReadinessOptions): Readiness {
  const path = join(sandbox.directory, "state.json");
  const stat = statOf(path);
  // The Go shim writes no state.json: where there is one, runtime-rs is at work, whatever the config says.
  if (stat === undefined && sandbox.root.runtime === "go") return { state: "ready" };
  if (stat === undefined) {
    // A jailed Firecracker keeps its state, with the rest, in the jailer's tree.
    const jail = join(dirname(sandbox.directory), JAILER, sandbox.id);
    if (statOf(jail) !== undefined) return verdictOn("firecracker", options);
    return pending("state.json, which names the hypervisor, is not there yet");
  }
  if (!stat.isFile()) return unsafe("state.json is no file, so the hypervisor is not known");
  if (stat.size > STATE_BYTES_MAX) return unsafe("state.json is too large, so the hypervisor is not known");
  const hypervisor = hypervisorType(readFile(path, stat.size));
  if (hypervisor !== undefined) return verdictOn(hypervisor, options);
  return options.nowMs - stat.mtimeMs < WRITING_MS_MAX
    ? pending("state.json is being written")
    : unsafe("state.json names no hypervisor");
}

function verdictOn(hypervisor: string, { allowed }: ReadinessOptions): Readiness {
  if (SAFE_HYPERVISORS.includes(hypervisor)) return { state: "ready" };
  const known = UNSAFE_HYPERVISORS.find((name) => name === hypervisor);
  if (allowed.has(known ?? "unknown")) return { state: "ready" };
  const why = known === undefined ? "not known to survive a scrape" : "a scrape ends its pod";
  return unsafe(
    `runtime-rs with ${JSON.stringify(hypervisor.slice(0, 64))}: ${why}; unsafe_hypervisors can allow "${known ?? "unknown"}"`,
  );
}

/** Without waiting, whatever has taken the file's place meanwhile. */
function readFile(path: string, size: number): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    const bytes = Buffer.alloc(size);
    return bytes.toString("utf8", 0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}

function hypervisorType(text: string): string | undefined {
  try {
    const state = JSON.parse(text) as { hypervisor?: { hypervisor_type?: unknown } } | null;
    const type = state?.hypervisor?.hypervisor_type;
    return typeof type === "string" && type !== "" ? type : undefined;
  } catch {
    return undefined;
  }
}

function pending(reason: string): Readiness {
  return { state: "pending", reason };
}

function unsafe(reason: string): Readiness {
  return { state: "unsafe", reason };
}
