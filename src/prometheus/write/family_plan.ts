// SPDX-License-Identifier: Apache-2.0
import type { Family } from "../../metrics/model.ts";
import { labelText } from "../series/names.ts";
import { type Series, seriesOf } from "../series/series.ts";
import { joinTemplates, toTemplate } from "./template.ts";

/** All that lines of a family have before the resource's labels, ready to be copied. Immutable. */
export interface FamilyPlan {
  /** The lines' beginnings, one behind the other: `name{a="b",` or `name{`; whole up to the value's blank where the resource has no labels. */
  readonly prefixes: DataView;
  /** Where the prefix of each line begins; one more for the end of the last. */
  readonly starts: Int32Array;
  /** The column of each line's value, counted from the family's first. */
  readonly columns: Int32Array;
  /** The first line of each point; one more for the end of the last. */
  readonly points: Int32Array;
  readonly prefixBytesMax: number;
  /** Labels that got another name, because theirs is the resource's or another label's of the point. */
  readonly renamedLabels: number;
  /** Points left out, because they are the same series as an earlier one. */
  readonly duplicatePoints: number;
}

/** Compiles the family's lines for resources whose labels have the names `reserved`. */
export function compilePlan(name: string, family: Family, reserved: ReadonlySet<string>): FamilyPlan {
  const { points, renamedLabels, duplicatePoints } = seriesOf(family, reserved);
  const lines = points.flat();
  const templates = lines.map((line) => toTemplate(prefixOf(name, line, reserved.size > 0)));
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
    renamedLabels,
    duplicatePoints,
  };
}

function prefixOf(family: string, { suffix, labels }: Series, hasMore: boolean): string {
  const name = family + suffix;
  const texts = labels.map(([label, value]) => labelText(label, value));
  if (hasMore) return `${name}{${texts.map((text) => `${text},`).join("")}`;
  return texts.length === 0 ? `${name} ` : `${name}{${texts.join(",")}} `;
}
