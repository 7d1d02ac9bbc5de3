// SPDX-License-Identifier: Apache-2.0
import { isGuestFamily, KNOWN_FAMILIES, type ShimKind } from "../../../kata/known_families.ts";
import type { Kind } from "../../../metrics/model.ts";
import type { FamilyDefinition } from "../../../prometheus/parse/parser_state.ts";
import { FORGED, type PageTrust } from "../../../prometheus/parse/trust.ts";
import { isReservedLabel } from "../../../prometheus/series/reserved_labels.ts";

/** The labels of all the guest's families together, since a newer Kata may use a label in a further family. */
const GUEST_LABELS: ReadonlySet<string> = new Set(
  [...KNOWN_FAMILIES].flatMap(([name, { labels }]) => (isGuestFamily(name) ? labels : [])),
);

/** Returns why a page may not set this label on this metric; undefined if it may. */
export type LabelFault = (name: string, label: string) => string | undefined;

/**
 * Makes the rule for labels of a shim's page. `more` are the labels that guests may set in addition to Kata's own; `*` means
 * all that are not reserved.
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

/** Renames the Go families of the shim as kata-monitor does, so that nobody takes them for the agent's own. */
function renamed(name: string): string {
  return name.startsWith("go_") || name.startsWith("process_") ? `kata_shim_${name}` : name;
}

const RENAMED = /^kata_shim_(?=go_|process_)/;

/** Returns the name on a shim's page of the family that the agent keeps under `name`: the opposite of `renamed`. */
export function shimName(name: string): string {
  return name.replace(RENAMED, "");
}

/** The beginnings of the families that the Go shim writes for itself and for the other processes of its sandbox on the node. */
const GO_SHIM_PREFIXES = ["kata_shim_", "kata_hypervisor_", "kata_virtiofsd_", "kata_firecracker_"];

/**
 * Returns the name, kind and HELP under which the agent keeps a family. If Kata has the family, kind and HELP are those
 * of `KNOWN_FAMILIES`, whatever the page says. A family that only guests have gets no kind and no HELP, because the
 * first guest that brings it would decide them for all others.
 */
export function defineFamily(name: string, kind: Kind): FamilyDefinition {
  const known = KNOWN_FAMILIES.get(name);
  const definition = { name: renamed(name), kind, help: known?.help, hasWrongKind: false };
  if (known !== undefined) {
    // A histogram or summary has other lines than a scalar, so its kind cannot be replaced. `trustOf` decides who may
    // bring it.
    if (isScalar(kind) && isScalar(known.kind))
      return { ...definition, kind: known.kind, hasWrongKind: kind !== known.kind };
    return definition;
  }
  if (!isGuestFamily(name)) return definition;
  return { ...definition, kind: isScalar(kind) ? "unknown" : kind, help: "" };
}

/**
 * Returns who may define which family of a shim's page. The Go shim writes its own families first, in order of names, and
 * then the guest's. runtime-rs first writes what the guest sent, unchanged, and then its own families.
 *
 * `more` are the names that the operator allows in addition to those that this agent knows. A name that ends in `*` is a
 * prefix.
 */
export function trustOf(shim: ShimKind, more: readonly string[]): PageTrust {
  const isMore = nameMatcher(more);
  return {
    shimPart: shim === "go" ? "first" : "last",
    originOf(name, kind) {
      if (isGuestFamily(name))
        return isScalar(kind) ? "guest" : { reason: "histogram or summary of the guest" };
      if (AGENT_NAME.test(name)) return UNKNOWN;
      if (isMore(name)) return "shim";
      if (shim !== "go") return isRsShimFamily(name, kind, shim) ? "shim" : UNKNOWN;
      return GO_SHIM_PREFIXES.some((prefix) => name.startsWith(prefix)) ? "shim" : UNKNOWN;
    },
  };
}

/**
 * Returns who may define which family of a page of which only the beginning was received. If the shim's part comes
 * last, the beginning was written by the guest.
 */
export function trustOfCut(trust: PageTrust): PageTrust {
  if (trust.shimPart === "first") return trust;
  return {
    shimPart: "first",
    originOf(name, kind) {
      const origin = trust.originOf(name, kind);
      return origin === "shim" ? { reason: FORGED } : origin;
    },
  };
}

/**
 * The names of the agent's own families, and of kata-monitor's, which the agent serves too. No shim may bring such a
 * family, even if the operator names it.
 */
const AGENT_NAME = /^kata_(collector|monitor)_/;
const UNKNOWN = { reason: "family that no shim has" };

/**
 * Returns whether a runtime-rs shim of this kind writes the family. Only known names count: a guest could write any
 * other family just before the shim's part, where it would look like a part of that.
 */
function isRsShimFamily(name: string, kind: Kind, shim: ShimKind): boolean {
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
