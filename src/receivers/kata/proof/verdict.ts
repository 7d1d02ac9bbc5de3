// SPDX-License-Identifier: Apache-2.0
import type { ShimKind } from "../../../kata/known_families.ts";
import type { Runtime } from "../discovery/root.ts";
import type { StateReading } from "./state_file.ts";

/** The reason why a sandbox is not asked, as a word for machines. */
export type NotReadyCode =
  | "no_socket"
  | "no_state"
  | "unproved"
  | "unreadable"
  | "not_a_socket"
  | "bad_state"
  | "qemu"
  | "firecracker"
  | "unknown_hypervisor"
  | "removal";

/** A sandbox that may not be asked now, and why. */
export interface NotReady {
  /** A `pending` sandbox may become ready by itself; an `unsafe` one is never asked; an `ending` one is being removed. */
  readonly state: "pending" | "unsafe" | "ending";
  readonly code: NotReadyCode;
  readonly reason: string;
}

/**
 * Hypervisors that an operator can allow: those under which released runtime-rs shims abort, and end their pod, when they
 * are asked for metrics (kata-containers issue 13708), and, as "unknown", hypervisors that this agent does not know.
 */
export const UNSAFE_HYPERVISORS = ["qemu", "firecracker", "unknown"] as const;
export type UnsafeHypervisor = (typeof UNSAFE_HYPERVISORS)[number];

/**
 * Hypervisors under which a runtime-rs shim survives a scrape, by runtime-rs' names for them. Cloud Hypervisor has two,
 * since its name has changed.
 */
const SAFE_HYPERVISORS: readonly string[] = ["dragonball", "clh", "cloud-hypervisor", "remote", "openvmm"];

/** The facts from a sandbox's files that tell which shim is behind its socket. */
export interface Evidence {
  /** The runtime of the sandbox's root. */
  readonly runtime: Runtime;
  readonly state: StateReading;
  /** Whether there is a persist.json, which only the Go shim writes. */
  readonly hasPersist: boolean;
  /**
   * Returns whether the jailer's tree has the sandbox: a jailed Firecracker keeps its state there. Called only if no
   * state.json decides.
   */
  isJailed(): boolean;
}

/** Returns the kind of the shim if it may be asked, or why it may not. */
export function verdictOn(evidence: Evidence, allowed: readonly UnsafeHypervisor[]): ShimKind | NotReady {
  const { runtime, state } = evidence;
  switch (state.kind) {
    case "named":
      return hypervisorVerdict(state.hypervisor, allowed);
    case "doubtful":
      return notReady("unsafe", "bad_state", `state.json ${state.reason}, so the hypervisor is not known`);
    case "unnamed":
      return notReady("unsafe", "bad_state", "state.json names no hypervisor");
    case "writing":
      return notReady("pending", "no_state", "state.json is being written");
    case "absent":
    case "older":
      if (evidence.isJailed()) return hypervisorVerdict("firecracker", allowed);
      if (isGo(evidence)) return "go";
      if (state.kind === "older") return OLDER_STATE;
      return runtime === "rs" ? NO_STATE : UNPROVED;
  }
}

/**
 * Returns whether the shim is the Go shim, if no state.json of this sandbox decides. A rootless VMM keeps its persist.json
 * elsewhere, so under a root of the Go shim none is needed, unless an old state.json shows that runtime-rs was there.
 */
function isGo({ runtime, state, hasPersist }: Evidence): boolean {
  if (runtime === "go" && state.kind === "absent") return true;
  return runtime !== "rs" && hasPersist;
}

const NO_STATE = notReady("pending", "no_state", "state.json, which names the hypervisor, is not there yet");
const OLDER_STATE = notReady(
  "pending",
  "no_state",
  "state.json is older than the socket, or the clock was set back: it is taken for that of a sandbox before",
);
const UNPROVED = notReady(
  "pending",
  "unproved",
  'neither persist.json nor state.json says yet which runtime the sandbox is of; name it in receivers::kata::roots, as {path, runtime: "go"} or "rs"',
);

function hypervisorVerdict(hypervisor: string, allowed: readonly UnsafeHypervisor[]): ShimKind | NotReady {
  const shim = hypervisor === "dragonball" ? "rs-dragonball" : "rs";
  if (SAFE_HYPERVISORS.includes(hypervisor)) return shim;
  const known = UNSAFE_HYPERVISORS.find((name) => name === hypervisor) ?? "unknown";
  if (allowed.includes(known)) return shim;
  const why = known === "unknown" ? "not known to survive a scrape" : "a scrape ends its pod";
  return notReady(
    "unsafe",
    known === "unknown" ? "unknown_hypervisor" : known,
    `runtime-rs with ${JSON.stringify(hypervisor.slice(0, 64))}: ${why}; unsafe_hypervisors can allow "${known}"`,
  );
}

export function notReady(state: NotReady["state"], code: NotReadyCode, reason: string): NotReady {
  return { state, code, reason };
}
