// SPDX-License-Identifier: Apache-2.0
import type { Root } from "./discovery.ts";
import { keyBehind } from "./identity.ts";

/** The roots that are the same directory as an earlier one, by whatever path; and that one. */
export function twinsAmong(roots: readonly Root[]): ReadonlyMap<Root, Root> {
  const firsts = new Map<string, Root>();
  const twins = new Map<Root, Root>();
  for (const root of roots) {
    const key = keyBehind(root.path);
    if (key === undefined) continue;
    const first = firsts.get(key);
    if (first === undefined) firsts.set(key, root);
    else twins.set(root, first);
  }
  return twins;
}
