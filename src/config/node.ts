// SPDX-License-Identifier: Apache-2.0
import type { ConfigOrigin } from "./fault.ts";

/** A config as a tree that remembers where everything stands, through merging and expansion. */
export type ConfigNode = MapNode | ListNode | ScalarNode;

interface Node {
  readonly origin: ConfigOrigin;
  /**
   * Set where the value came out of `${…}`: the text that stood there. A field that wants a text gets this one, so that
   * "0123", "{x}" or "a #b" from the environment stay as they are.
   */
  readonly expandedFrom?: string;
  /**
   * Set where some of the value came out of the environment or a file: what the config has in its place, such as
   * `https://${env:HOST}/v1`. People are shown this and never the value.
   */
  readonly reference?: string;
}

export interface MapNode extends Node {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, MapEntry>;
}

export interface MapEntry {
  readonly keyOrigin: ConfigOrigin;
  readonly value: ConfigNode;
}

export interface ListNode extends Node {
  readonly kind: "list";
  readonly items: readonly ConfigNode[];
}

export interface ScalarNode extends Node {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
}

export type Path = readonly (string | number)[];

export function isNull(node: ConfigNode): boolean {
  return node.kind === "scalar" && node.value === null;
}

/** Left to right as the Collector merges: maps deeply, everything else is replaced, and a null wipes. */
export function mergeNodes(under: ConfigNode, over: ConfigNode): ConfigNode {
  if (under.kind !== "map" || over.kind !== "map") return over;
  const entries = new Map(under.entries);
  for (const [key, entry] of over.entries) {
    const known = entries.get(key);
    entries.set(key, known === undefined ? entry : { ...entry, value: mergeNodes(known.value, entry.value) });
  }
  return { ...over, entries };
}

/** The node at `path`. An item of a list that is written as one text, comma by comma, is that text. */
export function nodeAt(root: ConfigNode, path: Path): ConfigNode | undefined {
  let node: ConfigNode | undefined = root;
  for (const step of path) {
    if (node?.kind === "map") node = node.entries.get(String(step))?.value;
    else if (node?.kind === "list") node = node.items[Number(step)];
    else if (node === undefined || typeof step === "string") return undefined;
  }
  return node;
}

/** Where a person looks for `path`: the value of a scalar, the key of anything else, or of the nearest that is there. */
export function originOf(root: ConfigNode, path: Path): ConfigOrigin {
  let node = root;
  let origin = root.origin;
  for (const step of path) {
    if (node.kind === "map") {
      const entry = node.entries.get(String(step));
      if (entry === undefined) break;
      node = entry.value;
      origin = node.kind === "scalar" ? node.origin : entry.keyOrigin;
    } else if (node.kind === "list") {
      const item = node.items[Number(step)];
      if (item === undefined) break;
      node = item;
      origin = item.origin;
    } else break;
  }
  return origin;
}

/** Where the key at the end of `path` stands, or what `originOf` says. */
export function keyOriginOf(root: ConfigNode, path: Path): ConfigOrigin {
  const parent = nodeAt(root, path.slice(0, -1));
  const entry = parent?.kind === "map" ? parent.entries.get(String(path.at(-1))) : undefined;
  return entry?.keyOrigin ?? originOf(root, path);
}

/** What stands in a variable or another file is found by the reference to it. */
export function moveTo(origin: ConfigOrigin, node: ConfigNode): ConfigNode {
  switch (node.kind) {
    case "scalar":
      return { ...node, origin };
    case "list":
      return { ...node, origin, items: node.items.map((item) => moveTo(origin, item)) };
    case "map": {
      const entries = new Map<string, MapEntry>();
      for (const [key, { value }] of node.entries) {
        entries.set(key, { keyOrigin: origin, value: moveTo(origin, value) });
      }
      return { ...node, origin, entries };
    }
  }
}
