// SPDX-License-Identifier: Apache-2.0
import { isGuestFamily, KNOWN_FAMILIES, type ShimKind } from "../../../kata/known_families.ts";
import type { Kind } from "../../../metrics/model.ts";
import type { FamilyDefinition } from "../../../prometheus/parse.ts";
import { isReservedLabel } from "../../../prometheus/reserved_labels.ts";
import { FORGED, type PageTrust } from "../../../prometheus/trust.ts";

/** The labels of the guest's families, of all of them: a newer Kata may give one of them another's. */
const GUEST_LABELS: ReadonlySet<string> = new Set(
  [...KNOWN_FAMILIES].flatMap(([name, { labels }]) => (isGuestFamily(name) ? labels : [])),
);

export type LabelFault = (name: string, label: string) => string | undefined;

/**
 * Says why a shim's page cannot set a label on a metric. `more` are label names that guests may set beside Kata's own;
 * `*` stands for all that are not reserved.
 */
export function labelFaults(more: readonly string[]): LabelFault {
  const allowed = new Set([...GUEST_LABELS, ...more]);
  const allowsAll = allowed.has("*");
  return (name, label) => {
    if (isReservedLabel(label)) return "reserved label";
    if (allowsAll || !isGuestFamily(name) || allowed.has(label)) return undefined;
    return "label of a guest's that Kata does not use and guest_labels does not name";
  };
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

/** What the Go shim itself serves: its own families, those of Go, and those of the processes beside it. */
const GO_HOST_PREFIXES = ["kata_shim_", "kata_hypervisor_", "kata_virtiofsd_", "kata_firecracker_"];

/**
 * What the agent knows a family by. The kind and the HELP of a family of Kata's are the known ones, whatever the page says.
 * Of one that only guests have they are nobody's: the first guest to bring it would have the word for all others.
 */
export function defineFamily(name: string, kind: Kind): FamilyDefinition {
  const known = KNOWN_FAMILIES.get(name);
  const definition = { name: renamed(name), kind, help: known?.help, hasWrongKind: false };
  if (known !== undefined) {
    // One that is no scalar has other lines: who may bring it is not decided here.
    if (isScalar(kind) && isScalar(known.kind))
      return { ...definition, kind: known.kind, hasWrongKind: kind !== known.kind };
    return definition;
  }
  if (!isGuestFamily(name)) return definition;
  return { ...definition, kind: isScalar(kind) ? "unknown" : kind, help: "" };
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

/**
 * Who may define what on a page of which only the beginning is known. Where the host's part comes last, all that is known was
 * written by the guest.
 */
export function trustOfCut(trust: PageTrust): PageTrust {
  if (trust.hostPart === "first") return trust;
  return {
    hostPart: "first",
    originOf(name, kind) {
      const origin = trust.originOf(name, kind);
      return origin === "host" ? { reason: FORGED } : origin;
    },
  };
}

/** Whatever an operator lets shims have, these speak of the agent. */
const AGENT_NAME = /^kata_(collector|monitor)_/;
const UNKNOWN = { reason: "family that no shim has" };

/** By name, since a guest could write others of the host's names just before its part. Only Dragonball speaks for itself. */
function isRsHostFamily(name: string, kind: Kind, shim: ShimKind): boolean {
  return isScalar(kind) && KNOWN_FAMILIES.get(name)?.shims.includes(shim) === true;
}

function isScalar(kind: Kind): boolean {
  return kind !== "histogram" && kind !== "summary";
}

function nameMatcher(patterns: readonly string[]): (name: string) => boolean {
  const prefixes = patterns.filter((one) => one.endsWith("*")).map((one) => one.slice(0, -1));
  const names = new Set(patterns);
  return (name) => names.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
}
