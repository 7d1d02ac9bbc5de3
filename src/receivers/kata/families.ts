import type { Kind } from "../../metrics/model.ts";
import { GUEST_FAMILIES, gauges, isGuestFamily } from "../../prometheus/guest_families.ts";
import type { PageTrust } from "../../prometheus/trust.ts";

/** Who made the page: what the host's part of it can hold depends on it. */
export type ShimKind = "go" | "rs" | "rs-dragonball";

/** Labels that say whose a sample is. The agent sets them; a page that has them is lying. */
const IDENTITY_LABELS: ReadonlySet<string> = new Set(["sandbox_id", "cri_uid", "cri_name", "cri_namespace"]);

/** Why a shim's page cannot set this label on this metric; undefined where it can. */
export function labelFault(_name: string, label: string): string | undefined {
  return IDENTITY_LABELS.has(label) ? "reserved label" : undefined;
}

/** As kata-monitor names the shim's own Go families, so that this agent's cannot be taken for them. */
function renamed(name: string): string {
  return name.startsWith("go_") || name.startsWith("process_") ? `kata_shim_${name}` : name;
}

const RENAMED = /^kata_shim_(?=go_|process_)/;

/** How a shim's page names the family of this name. */
export function shimName(name: string): string {
  return name.replace(RENAMED, "");
}

/** Families of Kata Containers 4.1 that may stand in a part of the page where the guest can write, with their kinds. */
const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ...GUEST_FAMILIES,
  ["kata_hypervisor_scrape_count", "sum"],
  ...gauges("kata_hypervisor", "seccomp signals vcpu"),
  ...gauges("kata_shim", "fds io_stat proc_stat proc_status threads"),
]);

/** What the Go shim itself serves: its own families, those of Go, and those of the processes beside it. */
const GO_HOST_PREFIXES = ["kata_shim_", "kata_hypervisor_", "kata_virtiofsd_", "kata_firecracker_"];

/** The name under which the agent knows a family, and its kind: the known one, whatever the page says. */
export function defineFamily(name: string, kind: Kind): { name: string; kind: Kind } {
  return { name: renamed(name), kind: isScalar(kind) ? (KINDS.get(name) ?? kind) : kind };
}

/**
 * Who may define what on a shim's page. The Go shim writes its own families first, in order of names, and the guest's
 * behind them; runtime-rs writes what the guest sent, as it came, and its own families behind that.
 *
 * `more` are names that the operator wants beside those that this agent knows; one that ends in `*` is a prefix.
 */
export function trustOf(shim: ShimKind, more: readonly string[]): PageTrust {
  const isMore = nameMatcher(more);
  return {
    hostPart: shim === "go" ? "first" : "last",
    originOf(name, kind) {
      if (isGuestFamily(name))
        return isScalar(kind) ? "guest" : { reason: "histogram or summary of the guest" };
      if (AGENT_NAME.test(name)) return UNKNOWN;
      if (isMore(name)) return "host";
      if (shim !== "go") return isRsHostFamily(name, kind, shim) ? "host" : UNKNOWN;
      return GO_HOST_PREFIXES.some((prefix) => name.startsWith(prefix)) ? "host" : UNKNOWN;
    },
  };
}

/** Whatever an operator lets shims have, these speak of the agent. */
const AGENT_NAME = /^kata_(collector|monitor)_/;
const UNKNOWN = { reason: "family that no shim has" };

/** By name, since a guest could write others of the host's names just before its part. Only Dragonball speaks for itself. */
function isRsHostFamily(name: string, kind: Kind, shim: ShimKind): boolean {
  if (!KINDS.has(name) || !isScalar(kind)) return false;
  return shim === "rs-dragonball" || name.startsWith("kata_shim_");
}

function isScalar(kind: Kind): boolean {
  return kind !== "histogram" && kind !== "summary";
}

function nameMatcher(patterns: readonly string[]): (name: string) => boolean {
  const prefixes = patterns.filter((one) => one.endsWith("*")).map((one) => one.slice(0, -1));
  const names = new Set(patterns);
  return (name) => names.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
}
