// SPDX-License-Identifier: Apache-2.0
import { memoized } from "../../metrics/memoized.ts";
import type { NamedFamily } from "../page/compose.ts";
import { LABELS_END } from "../page/page_format.ts";
import { type Conflict, reportChanges } from "../series/conflict.ts";
import type { LabelSet } from "../series/label_sets.ts";
import { labelText } from "../series/names.ts";
import { type FamilySeries, type Series, seriesOf } from "../series/series.ts";
import { joinTemplates, toTemplate } from "./template.ts";

/** The lines of a family up to the resource's labels, ready to be copied. Immutable. */
export interface FamilyPlan {
  /**
   * The beginnings of all lines, one after the other: `name{a="b",` or `name{`. For resources without labels, each
   * reaches up to the number.
   */
  readonly prefixes: DataView;
  /** By line, the position of its prefix in `prefixes`; and at the end, the position after the last prefix. */
  readonly starts: Int32Array;
  /** By line, the column of its number, counted from the family's first column. */
  readonly columns: Int32Array;
  /** By point, the index of its first line; and at the end, the number of all lines. */
  readonly points: Int32Array;
  readonly prefixBytesMax: number;
}

const plansOf = memoized((_: LabelSet) => new WeakMap<NamedFamily, FamilyPlan>());

/**
 * Returns the plan of a family for resources with these label names. The first call compiles the plan, and only this
 * call reports its conflicts.
 */
export function familyPlanOf(
  labelSet: LabelSet,
  named: NamedFamily,
  onConflict: (conflict: Conflict) => void,
): FamilyPlan {
  const plans = plansOf(labelSet);
  const known = plans.get(named);
  if (known !== undefined) return known;
  const series = seriesOf(named.family, labelSet.names);
  const plan = compile(named.name, series, labelSet.names.size > 0);
  plans.set(named, plan);
  reportChanges(named.name, series, onConflict);
  return plan;
}

function compile(name: string, { points }: FamilySeries, hasResourceLabels: boolean): FamilyPlan {
  const lines = points.flat();
  const templates = lines.map((line) => toTemplate(prefixOf(name, line, hasResourceLabels)));
  const starts = new Int32Array(templates.length + 1);
  for (const [index, { length }] of templates.entries()) starts[index + 1] = (starts[index] ?? 0) + length;
  const firsts = [0];
  for (const point of points) firsts.push((firsts.at(-1) ?? 0) + point.length);
  return {
    prefixes: joinTemplates(templates),
    starts,
    columns: Int32Array.from(lines, ({ column }) => column),
    points: Int32Array.from(firsts),
    prefixBytesMax: templates.reduce((longest, { length }) => Math.max(longest, length), 0),
  };
}

function prefixOf(family: string, { suffix, labels }: Series, hasResourceLabels: boolean): string {
  const name = family + suffix;
  const texts = labels.map(([label, value]) => labelText(label, value));
  if (hasResourceLabels) return `${name}{${texts.map((text) => `${text},`).join("")}`;
  return texts.length === 0 ? `${name} ` : `${name}{${texts.join(",")}${LABELS_END}`;
}
