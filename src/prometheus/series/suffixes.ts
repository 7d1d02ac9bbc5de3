// SPDX-License-Identifier: Apache-2.0
import type { Kind } from "../../metrics/model.ts";

export const BUCKET_SUFFIX = "_bucket";
export const SUM_SUFFIX = "_sum";
export const COUNT_SUFFIX = "_count";
/** OpenMetrics reserves this suffix for the time since when a counter, histogram or summary counts. */
export const CREATED_SUFFIX = "_created";

const CHILD_SUFFIXES: Readonly<Record<Kind, readonly string[]>> = {
  gauge: [],
  sum: [],
  unknown: [],
  histogram: [BUCKET_SUFFIX, SUM_SUFFIX, COUNT_SUFFIX],
  summary: [SUM_SUFFIX, COUNT_SUFFIX],
};

/** The suffixes that lines of a family of this kind may add to the family's name. */
export function childSuffixes(kind: Kind): readonly string[] {
  return CHILD_SUFFIXES[kind];
}
