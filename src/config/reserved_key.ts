// SPDX-License-Identifier: Apache-2.0
import type { Fault } from "./fault.ts";
import type { ConfigNode, Path } from "./node.ts";

/** The name by which JavaScript sets what an object inherits from. Libraries drop it, zod among them. */
const RESERVED_KEY = "__proto__";

/** A fault for each key that no map of a config can have. All others are names like any, `constructor` among them. */
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
