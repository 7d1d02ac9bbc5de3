// SPDX-License-Identifier: Apache-2.0
import type { Family } from "../../metrics/model.ts";
import { type Conflict, reportChanges } from "../../prometheus/series/conflict.ts";
import type { LabelSet } from "../../prometheus/series/label_sets.ts";
import { type Label, seriesOf } from "../../prometheus/series/series.ts";

/** A series without the labels of its resource. */
export interface OwnSeries {
  /** The labels in order of names, with `__name__` among them. No value is empty. */
  readonly labels: readonly Label[];
  /** The column of the series' number, counted from the family's first column. */
  readonly column: number;
}

/** All or some series of one family. */
export interface FamilyBlock {
  readonly family: Family;
  /** The name under which the family is written. */
  readonly name: string;
  /** The family's first column in the reading. */
  readonly offset: number;
  readonly series: readonly OwnSeries[];
}

/** The series of the family under its written name, for resources with these label names. Reports each conflict. */
export function ownSeries(
  { name, family }: { readonly name: string; readonly family: Family },
  { names }: LabelSet,
  onConflict: (conflict: Conflict) => void,
): readonly OwnSeries[] {
  const all = seriesOf(family, names);
  reportChanges(name, all, onConflict);
  return all.points.flat().map(({ suffix, labels, column }) => {
    const own = labels.filter(([, value]) => value !== "");
    return { labels: [["__name__", name + suffix] as const, ...own].sort(byName), column };
  });
}

/** Compares labels by name, in the order that the protocol demands. */
export function byName([a]: Label, [b]: Label): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
