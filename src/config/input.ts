// SPDX-License-Identifier: Apache-2.0
import { type ConfigNode, isNull } from "./node.ts";
import { placeIn, type SchemaPlace, takesNull, wantsListOfTexts, wantsText } from "./schema_place.ts";

/**
 * The tree as plain data for the schema whose place is given, by the Collector's rules of decoding:
 * - a field that wants a text gets what stood in the environment, not what that means as YAML;
 * - where a list of texts is wanted, one text is split at its commas;
 * - a null entry is left out, so that the default holds, unless the schema takes null or does not know the key.
 */
export function toInput(node: ConfigNode, place: SchemaPlace): unknown {
  return inputOf(node, place, false);
}

/** What stands in the config for a value that came from outside of it. */
export class Reference {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** As `toInput`, for people to read: with a `Reference` in place of each value that came from outside of the config. */
export function toShownInput(node: ConfigNode, place: SchemaPlace): unknown {
  return inputOf(node, place, true);
}

function inputOf(node: ConfigNode, place: SchemaPlace, named: boolean): unknown {
  if (named && node.reference !== undefined) return new Reference(node.reference);
  if (node.expandedFrom !== undefined && wantsText(place)) return node.expandedFrom;
  switch (node.kind) {
    case "scalar":
      if (typeof node.value !== "string" || !wantsListOfTexts(place)) return node.value;
      return node.value === "" ? [] : node.value.split(",");
    case "list":
      return node.items.map((item, index) => inputOf(item, placeIn(place, index), named));
    case "map": {
      const out: Record<string, unknown> = {};
      for (const [key, { value }] of node.entries) {
        const under = placeIn(place, key);
        const input = inputOf(value, under, named);
        const known = under.schemas.length > 0;
        if (input === null && isNull(value) && known && !takesNull(under)) continue;
        // A key such as __proto__ becomes a property like any other.
        Object.defineProperty(out, key, { value: input, enumerable: true });
      }
      return out;
    }
  }
}
