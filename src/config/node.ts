import type { Origin } from "./fault.ts";

/** A config as a tree that remembers where everything stands, through merging and expansion. */
export type ConfigNode = MapNode | ListNode | ScalarNode;

export interface MapNode {
  readonly kind: "map";
  readonly origin: Origin;
  readonly entries: ReadonlyMap<string, Entry>;
}

export interface Entry {
  readonly keyOrigin: Origin;
  readonly value: ConfigNode;
}

export interface ListNode {
  readonly kind: "list";
  readonly origin: Origin;
  readonly items: readonly ConfigNode[];
}

export interface ScalarNode {
  readonly kind: "scalar";
  readonly origin: Origin;
  readonly value: string | number | boolean | null;
  /**
   * Set where the value came out of `${…}`: the text that stood there. A field that wants a string gets this text, so
   * that "0123" from the environment stays "0123".
   */
  readonly expandedFrom?: string;
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

/** The tree as plain data, with every null. */
export function toPlain(node: ConfigNode): unknown {
  return plain(node, () => true);
}

/** As `toPlain`, without entries of null, which mean the default; but under the key `keep`, a null means itself. */
export function toPlainWithDefaults(node: ConfigNode, keep?: string): unknown {
  return plain(node, (path) => keep !== undefined && path.includes(keep));
}

function plain(
  node: ConfigNode,
  keepsNull: (path: readonly string[]) => boolean,
  path: readonly string[] = [],
): unknown {
  switch (node.kind) {
    case "scalar":
      return node.value;
    case "list":
      return node.items.map((item) => plain(item, keepsNull, path));
    case "map": {
      const out: Record<string, unknown> = {};
      for (const [key, { value }] of node.entries) {
        if (value.kind === "scalar" && value.value === null && !keepsNull(path)) continue;
        // A key such as __proto__ becomes a property like any other.
        Object.defineProperty(out, key, { value: plain(value, keepsNull, [...path, key]), enumerable: true });
      }
      return out;
    }
  }
}

/** The deepest node on the way to `path`, and the place of the last key that is there. */
export function locate(root: ConfigNode, path: readonly PropertyKey[]): { node: ConfigNode; origin: Origin } {
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
  return { node, origin };
}

/** The tree with the scalar at `path` replaced. A path that leads nowhere leaves it as it is. */
export function withScalarAt(node: ConfigNode, path: readonly PropertyKey[], value: string): ConfigNode {
  const [step, ...rest] = path;
  if (step === undefined) return node.kind === "scalar" ? { ...node, value } : node;
  if (node.kind === "map") {
    const entry = node.entries.get(String(step));
    if (entry === undefined) return node;
    const entries = new Map(node.entries);
    entries.set(String(step), { ...entry, value: withScalarAt(entry.value, rest, value) });
    return { ...node, entries };
  }
  if (node.kind === "list") {
    const items = node.items.map((item, index) =>
      index === Number(step) ? withScalarAt(item, rest, value) : item,
    );
    return { ...node, items };
  }
  return node;
}
