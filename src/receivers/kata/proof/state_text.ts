// SPDX-License-Identifier: Apache-2.0
/** The state of a real sandbox nests less than ten deep. */
const DEPTH_MAX = 64;

/** The shim's record of the hypervisor, as a text says it. */
export type StateText =
  | { readonly kind: "named"; readonly hypervisor: string }
  /** No JSON, or one without a hypervisor: the shim may have written only a part of it. */
  | { readonly kind: "unnamed" }
  /** A reader may take it for something else than its writer meant. */
  | { readonly kind: "doubtful"; readonly reason: string };

/** Reads which hypervisor the text of a state.json names. Never throws; takes time in proportion to the text. */
export function readStateText(text: string): StateText {
  let state: { hypervisor?: { hypervisor_type?: unknown } } | null;
  try {
    state = JSON.parse(text);
  } catch {
    return { kind: "unnamed" };
  }
  const reason = doubtOf(text);
  if (reason !== undefined) return { kind: "doubtful", reason };
  const hypervisor = state?.hypervisor?.hypervisor_type;
  return typeof hypervisor === "string" && hypervisor !== ""
    ? { kind: "named", hypervisor }
    : { kind: "unnamed" };
}

/** The keys, with their colons, and the brackets of a valid JSON; other strings match so that nothing in them does. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"?\s*:?|[{}[\]]/g;

/**
 * Why a valid JSON is not to be trusted. JSON.parse takes the last of two equal keys; the shim's reader may take the
 * first.
 */
function doubtOf(json: string): string | undefined {
  let depth = 0;
  let isInHypervisor = false;
  let hypervisors = 0;
  let types = 0;
  for (const [token] of json.matchAll(TOKEN)) {
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
    else if (token.endsWith(":") && depth === 1) {
      isInHypervisor = keyOf(token) === "hypervisor";
      if (isInHypervisor) hypervisors++;
    } else if (token.endsWith(":") && depth === 2 && isInHypervisor && keyOf(token) === "hypervisor_type")
      types++;
    if (depth > DEPTH_MAX) return `nests more than ${DEPTH_MAX} deep`;
  }
  if (hypervisors > 1 || types > 1) return "names its hypervisor twice";
  return undefined;
}

/** A key may be written with escapes: "hyperv\u0069sor" is the same key. */
function keyOf(token: string): unknown {
  return JSON.parse(token.slice(0, token.lastIndexOf('"') + 1));
}
