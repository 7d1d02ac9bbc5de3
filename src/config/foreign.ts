// SPDX-License-Identifier: Apache-2.0
import { ConcealedTexts } from "../text/concealed.ts";
import type { Fault } from "./fault.ts";
import { type ConfigNode, type MapEntry, nodeAt, type Path, type ScalarNode } from "./node.ts";

/**
 * The values of one config that came from `${env:…}` and `${file:…}`. Faults and logs show the references in the config
 * instead of these values.
 */
export class Foreign {
  /** Conceals the values in everything that components log or report while they run. */
  readonly concealed: ConcealedTexts = new ConcealedTexts();

  /** Notes the text that one reference stands for. */
  noteText(text: string, reference: string): void {
    this.concealed.add(text, reference);
  }

  /** Notes all values in the node, and returns the node marked with the reference that stands for it in the config. */
  noteWhole(node: ConfigNode, reference: string): ConfigNode {
    for (const text of scalarsIn(node)) this.concealed.add(text, reference);
    return withReference(node, reference);
  }

  /** Like `noteWhole`, for a text of which a part is in the config itself, such as `https://${env:HOST}/v1`. */
  notePartly(node: ScalarNode, template: string): ConfigNode {
    this.concealed.addWhole(String(node.value), template);
    return withReference(node, template);
  }

  /**
   * Returns the fault with references in place of the values that came from variables and files. Its path ends before
   * the first key that came from a variable or a file and is in no schema; `isKnown` returns whether the key of a node
   * is in a schema.
   */
  hide({ origin, path, message }: Fault, tree: ConfigNode, isKnown: (node: ConfigNode) => boolean): Fault {
    const node = nodeAt(tree, path);
    let shown = message;
    if (node?.reference !== undefined) {
      // The value that is at fault is replaced whatever its length; `conceal` leaves short texts as they are.
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

/** Returns the texts that a fault may quote: a scalar and each part of it between commas, or the keys of a map. */
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

/**
 * Returns the path as far as the first key that came from a variable or a file and is in no schema, without that key.
 */
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
