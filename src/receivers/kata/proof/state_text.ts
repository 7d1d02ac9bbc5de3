// SPDX-License-Identifier: Apache-2.0
/** The deepest nesting of a state.json that can prove anything. That of a real sandbox nests less than ten deep. */
const DEPTH_MAX = 64;

/** The hypervisor that the text of a state.json names, or why it names none. */
export type StateText =
  | { readonly kind: "named"; readonly hypervisor: string }
  /** The text is no JSON, or has no hypervisor: the shim may have written only a part of it. */
  | { readonly kind: "unnamed" }
  /** Readers may understand the text differently, so that it proves nothing. */
  | { readonly kind: "doubtful"; readonly reason: string };

/** Returns which hypervisor the text of a state.json names. Never throws; the time is proportional to the text's length. */
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

/**
 * Matches the keys of a valid JSON, with their colons, and its brackets. Other strings match as a whole, so that no
 * bracket in a string matches.
 */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"?\s*:?|[{}[\]]/g;

/**
 * Returns why a valid JSON cannot be trusted; undefined if it can. JSON.parse takes the last of two equal keys, and the
 * shim's reader may take the first.
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

/** Returns the key of a token. A key may be written with escapes: "hyperv\u0069sor" is the same key as "hypervisor". */
function keyOf(token: string): unknown {
  return JSON.parse(token.slice(0, token.lastIndexOf('"') + 1));
}
