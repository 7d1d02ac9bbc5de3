// SPDX-License-Identifier: Apache-2.0
import type { Family, Kind, Point } from "../../metrics/model.ts";
import { freeLabelName, labelText, toLabelName } from "./names.ts";
import { BUCKET_SUFFIX, COUNT_SUFFIX, SUM_SUFFIX } from "./suffixes.ts";

export type Label = readonly [name: string, value: string];

/** One line of a family, without the labels of whatever resource it is about. */
export interface Series {
  /** What stands behind the family's name: nothing, `_bucket`, `_sum` or `_count`. */
  readonly suffix: string;
  /** In the order of the source; the one for a bound or quantile comes last. */
  readonly labels: readonly Label[];
  /** The column of its value, counted from the family's first. */
  readonly column: number;
}

export interface FamilySeries {
  /** The lines of each point, in the order of its columns. */
  readonly points: readonly (readonly Series[])[];
  /** Labels that got another name, because theirs is the resource's or another label's of the point. */
  readonly renamedLabels: number;
  /** Points left out, because they are the same series as an earlier one. */
  readonly duplicatePoints: number;
}

/** The label that tells the lines of a histogram or summary apart; a point cannot have its own of that name. */
const BOUND_LABEL: Readonly<Partial<Record<Kind, string>>> = { histogram: "le", summary: "quantile" };

/** The series of a family, for resources whose labels have the names `reserved`. No two of them are the same. */
export function seriesOf(family: Family, reserved: ReadonlySet<string>): FamilySeries {
  const points: (readonly Series[])[] = [];
  const seen = new Set<string>();
  let renamedLabels = 0;
  let column = 0;
  for (const point of family.points) {
    const labels = labelsOf(point, family.kind, reserved);
    for (const [index, [name]] of labels.entries())
      if (name !== toLabelName(point.attributes[index]?.key ?? "")) renamedLabels++;
    const lines = linesOf(family.kind, point, labels).map(([suffix, all]) => ({
      suffix,
      labels: all,
      column: column++,
    }));
    const identity = seriesText(labels);
    if (!seen.has(identity)) points.push(lines);
    seen.add(identity);
  }
  return { points, renamedLabels, duplicatePoints: family.points.length - points.length };
}

/** The labels as one text, which is the same for the same series: neither their order nor an empty one makes a series. */
export function seriesText(labels: readonly Label[]): string {
  return labels
    .filter(([, value]) => value !== "")
    .map(([name, value]) => labelText(name, value))
    .sort()
    .join();
}

/** The point's labels as all of its lines have them, under names that are free. */
export function labelsOf(point: Point, kind: Kind, reserved: ReadonlySet<string>): Label[] {
  const names = new Set<string>();
  const bound = BOUND_LABEL[kind];
  const isTaken = (name: string): boolean => reserved.has(name) || names.has(name) || name === bound;
  return point.attributes.map(({ key, value }) => {
    const name = freeLabelName(toLabelName(key), isTaken);
    names.add(name);
    return [name, value];
  });
}

/** The point's lines in the order of its columns. */
export function linesOf(
  kind: Kind,
  point: Point,
  labels: readonly Label[],
): (readonly [suffix: string, labels: readonly Label[]])[] {
  const bounds = point.boundTexts;
  switch (kind) {
    case "gauge":
    case "sum":
    case "unknown":
      return [["", labels]];
    case "histogram":
      return [
        ...[...bounds, "+Inf"].map((le) => [BUCKET_SUFFIX, [...labels, ["le", le]]] as const),
        [SUM_SUFFIX, labels],
        [COUNT_SUFFIX, labels],
      ];
    case "summary":
      return [
        ...bounds.map((quantile) => ["", [...labels, ["quantile", quantile]]] as const),
        [SUM_SUFFIX, labels],
        [COUNT_SUFFIX, labels],
      ];
  }
}
