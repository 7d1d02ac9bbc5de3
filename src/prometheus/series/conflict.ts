// SPDX-License-Identifier: Apache-2.0
import type { FamilySeries } from "./series.ts";

/**
 * Something that an exporter does not show as its source has it, because a reader would refuse it, or take two series
 * for one.
 */
export interface Conflict {
  /**
   * - `type`: families of one name differ in kind. Scalars, such as a gauge and a counter, are all written, without a
   *   type. If a histogram or a summary is among them, one family stays, usually the one that more resources have.
   * - `name`: a family has the name of another one's `_bucket`, `_sum` or `_count` lines, in OpenMetrics also of its
   *   `_created` line. Of these two families, the one that fewer resources have is left out.
   * - `value`: a point has a number that its kind forbids, and is left out.
   * - `series`: the same series comes twice, from one resource or from two. The later one is left out.
   * - `label`: a label has the name of another label, and is written as `exported_…`.
   */
  readonly reason: "type" | "name" | "value" | "series" | "label";
  /** The family's name as it is written. */
  readonly name: string;
}

/** Reports what `seriesOf` changed in the family that is written under this name. */
export function reportChanges(
  name: string,
  { renamedLabels, duplicatePoints }: FamilySeries,
  onConflict: (conflict: Conflict) => void,
): void {
  for (let i = 0; i < renamedLabels; i++) onConflict({ reason: "label", name });
  for (let i = 0; i < duplicatePoints; i++) onConflict({ reason: "series", name });
}
