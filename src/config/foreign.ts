// SPDX-License-Identifier: Apache-2.0
import { ConcealedTexts } from "../text/concealed.ts";
import type { Fault } from "./fault.ts";
import { type ConfigNode, type MapEntry, nodeAt, type Path, type ScalarNode } from "./node.ts";

/**
 * The values of one config that came out of `${env:…}` and `${file:…}`, and how people are shown them: by the reference that
 * stands in the config.
 */
export class Foreign {
  /** For what is said later by whoever got the values. */
  readonly concealed: ConcealedTexts = new ConcealedTexts();

  /** What one reference stands for. */
  noteText(text: string, reference: string): void {
    this.concealed.add(text, reference);
  }

  /** The node, and all in it, under the reference that stands for it in the config. */
  noteWhole(node: ConfigNode, reference: string): ConfigNode {
    for (const text of scalarsIn(node)) this.concealed.add(text, reference);
    return withReference(node, reference);
  }

  /** As `noteWhole`, of a text in which the config itself has a part. */
  notePartly(node: ScalarNode, template: string): ConfigNode {
    this.concealed.addWhole(String(node.value), template);
    return withReference(node, template);
  }

  /**
   * The fault with references in place of all that came from outside: what its text quotes, and keys in its path but those of
   * a schema, which `isKnown` tells by the nodes under them.
   */
  hide({ origin, path, message }: Fault, tree: ConfigNode, isKnown: (node: ConfigNode) => boolean): Fault {
    const node = nodeAt(tree, path);
    let shown = message;
    if (node?.reference !== undefined) {
      // Where the value itself is at fault, it is found whatever its length.
      for (const text of [String(path.at(-1)), ...textsAt(node)]) {
        shown = shown.replaceAll(JSON.stringify(text), () => JSON.stringify(node.reference));
        shown = shown.replaceAll(`"${text}"`, () => `"${node.reference}"`);
      }
    }
    return { origin, path: shownPath(tree, path, isKnown), message: this.concealed.conceal(shown) };
  }
}

function scalarsIn(node: ConfigNode): string[] {
  switch (node.kind) {
    case "scalar":
      return [String(node.value)];
    case "list":
      return node.items.flatMap(scalarsIn);
    case "map":
      return Array.from(node.entries.values(), ({ value }) => scalarsIn(value)).flat();
  }
}

/** What a fault of the node may quote: the scalar, each text of a list that is written as one, or the map's keys. */
function textsAt(node: ConfigNode): string[] {
  if (node.kind === "map") return [...node.entries.keys()];
  if (node.kind === "list") return [];
  const text = String(node.value);
  return [text, ...text.split(",").map((part) => part.trim())];
}

function withReference(node: ConfigNode, reference: string): ConfigNode {
  switch (node.kind) {
    case "scalar":
      return { ...node, reference };
    case "list":
      return { ...node, reference, items: node.items.map((item) => withReference(item, reference)) };
    case "map": {
      const entries = new Map<string, MapEntry>();
      for (const [key, entry] of node.entries)
        entries.set(key, { ...entry, value: withReference(entry.value, reference) });
      return { ...node, reference, entries };
    }
  }
}

/** The path as far as the config and the schemas know it: what a variable holds may have keys of its own. */
function shownPath(tree: ConfigNode, path: Path, isKnown: (node: ConfigNode) => boolean): Path {
  let node: ConfigNode | undefined = tree;
  for (const [index, step] of path.entries()) {
    const isForeign: boolean = node?.reference !== undefined;
    if (node?.kind === "map") node = node.entries.get(String(step))?.value;
    else if (node?.kind === "list") node = node.items[Number(step)];
    else return path;
    if (isForeign && typeof step === "string" && (node === undefined || !isKnown(node)))
      return path.slice(0, index);
  }
  return path;
}
