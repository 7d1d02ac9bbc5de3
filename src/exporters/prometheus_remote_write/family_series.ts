// SPDX-License-Identifier: Apache-2.0
import type { Family } from "../../metrics/model.ts";
import type { Conflict } from "../../prometheus/page/contenders.ts";
import { type Label, seriesOf } from "../../prometheus/series/series.ts";
import type { SeriesFace } from "./identity.ts";

/** A series without its resource's labels. */
export interface OwnSeries {
  /** In the order of names, `__name__` among them; none is empty. */
  readonly labels: readonly Label[];
  /** The column of its number, counted from the family's first. */
  readonly column: number;
}

/**
 * The series of a family, which is called `name` on the page, for resources of this face. They are made once; what has to
 * be changed so that none is there twice is told then.
 */
export function ownSeries(
  name: string,
  family: Family,
  { face, onConflict }: { readonly face: SeriesFace; onConflict(conflict: Conflict): void },
): readonly OwnSeries[] {
  const known = face.families.get(family);
  if (known !== undefined) return known;
  const { points, renamedLabels, duplicatePoints } = seriesOf(family, face.names);
  for (let i = 0; i < renamedLabels; i++) onConflict({ reason: "label", name });
  for (let i = 0; i < duplicatePoints; i++) onConflict({ reason: "series", name });
  const series = points.flat().map(({ suffix, labels, column }) => {
    const own = labels.filter(([, value]) => value !== "");
    return { labels: [["__name__", name + suffix] as const, ...own].sort(byName), column };
  });
  face.families.set(family, series);
  return series;
}

/** In the order that the protocol demands. */
export function byName([a]: Label, [b]: Label): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
