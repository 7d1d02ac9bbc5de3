// SPDX-License-Identifier: Apache-2.0
import { type ConfigNode, isNull } from "./node.ts";
import { placeIn, type SchemaPlace, takesNull, wantsListOfTexts, wantsText } from "./schema_place.ts";

/**
 * Turns the tree into plain data for a schema, by the Collector's rules of decoding:
 *
 * - in a field that takes only texts, a value that came from `${…}` stays a text, such as "0123", although YAML would
 *   read it as a number;
 * - a field that takes a list of texts can be one text, which is split at its commas;
 * - a null entry is left out, so that the default is used, unless the schema takes null or does not know the key.
 */
export function toInput(node: ConfigNode, place: SchemaPlace): unknown {
  return inputOf(node, place, false);
}

/** The reference in the config that stands for a value from outside, such as `${env:NAME}`. */
export class Reference {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Like `toInput`, for people to read: each value from outside the config is a `Reference`. */
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
        // An assignment would not make a property of a key such as __proto__.
        Object.defineProperty(out, key, { value: input, enumerable: true });
      }
      return out;
    }
  }
}
