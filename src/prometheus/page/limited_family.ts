// SPDX-License-Identifier: Apache-2.0
import type { FamilySpec } from "../../metrics/interner.ts";

/** The family that says for which limits something of a sandbox was left out. */
export const LIMITED_NAME = "kata_collector_sandbox_limited";

/** The limits on a whole page, which keep one sandbox from filling it. */
export type PageLimit = "page_samples" | "page_bytes";

/**
 * Returns the family with one point for each limit. The same limits in any order give the same family. The number of
 * each point is always 1.
 */
export function limitedFamily(limits: Iterable<string>): FamilySpec {
  const names = [...new Set(limits)].sort();
  return {
    name: LIMITED_NAME,
    kind: "gauge",
    unit: "1",
    help: "1 for each limit for which something of the sandbox was left out; absent where nothing was.",
    points: names.map((value) => ({
      attributes: [{ key: "limit", value }],
      bounds: [],
      boundTexts: [],
    })),
  };
}
