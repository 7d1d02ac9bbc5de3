// SPDX-License-Identifier: Apache-2.0
import { keyBehind } from "./directory_identity.ts";
import type { Root } from "./root.ts";

/** Returns each root that leads to the same directory as an earlier root in the list, with that earlier root. */
export function duplicateRoots(roots: readonly Root[]): ReadonlyMap<Root, Root> {
  const firsts = new Map<string, Root>();
  const duplicates = new Map<Root, Root>();
  for (const root of roots) {
    const key = keyBehind(root.path);
    if (key === undefined) continue;
    const first = firsts.get(key);
    if (first === undefined) firsts.set(key, root);
    else duplicates.set(root, first);
  }
  return duplicates;
}
