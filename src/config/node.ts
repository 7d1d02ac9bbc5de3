// SPDX-License-Identifier: Apache-2.0
import type { ConfigOrigin } from "./fault.ts";

/** A config as a tree in which each value keeps its place in the text, through merging and expansion. */
export type ConfigNode = MapNode | ListNode | ScalarNode;

interface Node {
  readonly origin: ConfigOrigin;
  /**
   * If the value came from a `${…}`: the text that the reference stood for. A field that takes only texts gets this
   * text, so that "0123", "{x}" or "a #b" from the environment stay as they are.
   */
  readonly expandedFrom?: string;
  /**
   * The text in the config, such as `https://${env:HOST}/v1`, if a part of the value came from the environment or a
   * file. Faults and logs show this text and never the value.
   */
  readonly reference?: string;
}

export interface MapNode extends Node {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, MapEntry>;
}

/** One key of a map, with its place and its value. */
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

/** Keys and indices that lead from the top of a tree to a node. */
export type Path = readonly (string | number)[];

/** Whether the node is a null. A key that has no value written has a null too. */
export function isNull(node: ConfigNode): boolean {
  return node.kind === "scalar" && node.value === null;
}

/**
 * Merges as the Collector does: maps are merged key by key; any other value of `over` replaces the value of `under`,
 * even by null.
 */
export function mergeNodes(under: ConfigNode, over: ConfigNode): ConfigNode {
  if (under.kind !== "map" || over.kind !== "map") return over;
  const entries = new Map(under.entries);
  for (const [key, entry] of over.entries) {
    const known = entries.get(key);
    entries.set(key, known === undefined ? entry : { ...entry, value: mergeNodes(known.value, entry.value) });
  }
  return { ...over, entries };
}

/**
 * Returns the node at `path`. A list can be written as one text with commas; a path to any of its items then leads to
 * that text.
 */
export function nodeAt(root: ConfigNode, path: Path): ConfigNode | undefined {
  let node: ConfigNode | undefined = root;
  for (const step of path) {
    if (node?.kind === "map") node = node.entries.get(String(step))?.value;
    else if (node?.kind === "list") node = node.items[Number(step)];
    else if (node === undefined || typeof step === "string") return undefined;
  }
  return node;
}

/**
 * Returns the place of the node at `path`: the place of its value if it is a scalar or an item of a list, otherwise the
 * place of its key. If there is no such node, returns the place of its nearest parent.
 */
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

/** Returns the place of the last key of `path`, or `originOf` if there is no such key. */
export function keyOriginOf(root: ConfigNode, path: Path): ConfigOrigin {
  const parent = nodeAt(root, path.slice(0, -1));
  const entry = parent?.kind === "map" ? parent.entries.get(String(path.at(-1))) : undefined;
  return entry?.keyOrigin ?? originOf(root, path);
}

/**
 * Returns the node with `origin` as the place of every node in it, since a value from a variable or a file has the
 * place of the reference to it.
 */
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
