// SPDX-License-Identifier: Apache-2.0
import type { Fault } from "./fault.ts";
import type { ConfigNode, Path } from "./node.ts";

/** The key that sets an object's prototype in JavaScript. Libraries such as zod drop it without a word. */
const RESERVED_KEY = "__proto__";

/** Returns a fault for each reserved key in the tree. All other names are allowed, also `constructor`. */
export function reservedKeyFaults(node: ConfigNode, path: Path = []): readonly Fault[] {
  switch (node.kind) {
    case "scalar":
      return [];
    case "list":
      return node.items.flatMap((item, index) => reservedKeyFaults(item, [...path, index]));
    case "map":
      return Array.from(node.entries, ([key, { keyOrigin, value }]) => {
        if (key !== RESERVED_KEY) return reservedKeyFaults(value, [...path, key]);
        return [
          { origin: keyOrigin, path, message: `key "${RESERVED_KEY}" is not supported; use another name` },
        ];
      }).flat();
  }
}
