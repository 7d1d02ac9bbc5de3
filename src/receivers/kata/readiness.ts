import { closeSync, constants, openSync, readSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type FoundSandbox, JAILER } from "./discovery.ts";
import type { ShimKind } from "./families.ts";
import { statOf } from "./identity.ts";

export const SOCKET_NAME = "shim-monitor.sock";
const STATE_NAME = "state.json";

/** Why a sandbox is not asked, as a word. */
export type NotReadyCode =
  | "no_socket"
  | "no_state"
  | "unreadable"
  | "not_a_socket"
  | "bad_state"
  | "qemu"
  | "firecracker"
  | "unknown_hypervisor"
  | "removal";

/** Whether a sandbox may be scraped now. */
export type Readiness = { readonly state: "ready"; readonly shim: ShimKind } | NotReady;

export interface NotReady {
  /** `pending` may change by itself, `unsafe` is never asked, `ending` is being torn down. */
  readonly state: "pending" | "unsafe" | "ending";
  readonly code: NotReadyCode;
  readonly reason: string;
}

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
  /** What the shim was when it answered: what runs the guest does not change. Undefined before. */
  readonly answered: ShimKind | undefined;
  /** What has been there of what `livesWith` names. */
  readonly livedWith: ReadonlySet<string>;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/**
 * What a sandbox has from its start to its teardown, as far as it is there now: once seen, its going says that the
 * sandbox is being removed, before its directory goes. The Go shim removes the VM's directory when the VM has stopped.
 */
export function livesWith({ directory, id }: FoundSandbox): string[] {
  const marks = [
    join(directory, "persist.json"),
    join(directory, STATE_NAME),
    join(dirname(dirname(directory)), "vm", id),
  ];
  return marks.filter((path) => isThere(path));
}

/** Looks whether the socket is there, and for runtime-rs whether asking does no harm. Never throws. */
export function checkReadiness(sandbox: FoundSandbox, options: ReadinessOptions): Readiness {
  try {
    const gone = [...options.livedWith].find((path) => !isThere(path));
    if (gone !== undefined)
      return notReady("ending", "removal", `${basename(gone)} has gone: it is being removed`);
    const socket = statOf(join(sandbox.directory, SOCKET_NAME));
    if (socket === undefined) return notReady("pending", "no_socket", "there is no socket yet");
    // A link could lead to another sandbox, or to a service that GET /metrics does something to.
    if (!socket.isSocket()) return notReady("unsafe", "not_a_socket", `${SOCKET_NAME} is no socket`);
    const { answered } = options;
    return answered === undefined ? checkHypervisor(sandbox, options) : { state: "ready", shim: answered };
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    return notReady("pending", "unreadable", `cannot look at the sandbox: ${cause}`);
  }
}

/** A doubt ends no sandbox. */
function isThere(path: string): boolean {
  try {
    return statOf(path) !== undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ENOTDIR";
  }
}

function checkHypervisor(sandbox: FoundSandbox, options: ReadinessOptions): Readiness {
  const path = join(sandbox.directory, STATE_NAME);
  const stat = statOf(path);
  // The Go shim writes no state.json: where there is one, runtime-rs is at work, whatever the config says.
  if (stat === undefined && sandbox.root.runtime === "go") return { state: "ready", shim: "go" };
  if (stat === undefined) {
    // A jailed Firecracker keeps its state, with the rest, in the jailer's tree.
    const jail = join(dirname(sandbox.directory), JAILER, sandbox.id);
    if (statOf(jail) !== undefined) return verdictOn("firecracker", options);
    return notReady("pending", "no_state", "state.json, which names the hypervisor, is not there yet");
  }
  if (!stat.isFile())
    return notReady("unsafe", "bad_state", "state.json is no file, so the hypervisor is not known");
  if (stat.size > STATE_BYTES_MAX)
    return notReady("unsafe", "bad_state", "state.json is too large, so the hypervisor is not known");
  const hypervisor = hypervisorType(readFile(path, stat.size));
  if (hypervisor !== undefined) return verdictOn(hypervisor, options);
  return options.nowMs - stat.mtimeMs < WRITING_MS_MAX
    ? notReady("pending", "no_state", "state.json is being written")
    : notReady("unsafe", "bad_state", "state.json names no hypervisor");
}

function verdictOn(hypervisor: string, { allowed }: ReadinessOptions): Readiness {
  const shim = hypervisor === "dragonball" ? "rs-dragonball" : "rs";
  if (SAFE_HYPERVISORS.includes(hypervisor)) return { state: "ready", shim };
  const known = UNSAFE_HYPERVISORS.find((name) => name === hypervisor) ?? "unknown";
  if (allowed.has(known)) return { state: "ready", shim };
  const why = known === "unknown" ? "not known to survive a scrape" : "a scrape ends its pod";
  return notReady(
    "unsafe",
    known === "unknown" ? "unknown_hypervisor" : known,
    `runtime-rs with ${JSON.stringify(hypervisor.slice(0, 64))}: ${why}; unsafe_hypervisors can allow "${known}"`,
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

function notReady(state: NotReady["state"], code: NotReadyCode, reason: string): NotReady {
  return { state, code, reason };
}
