// SPDX-License-Identifier: Apache-2.0
import type { Family, Kind, Point } from "../../metrics/model.ts";
import { freeLabelName, labelText, toLabelName } from "./names.ts";
import { BUCKET_SUFFIX, COUNT_SUFFIX, SUM_SUFFIX } from "./suffixes.ts";

/** A label under its written name. */
export type Label = readonly [name: string, value: string];

/** One line of a family, without the labels of a resource. */
export interface Series {
  /** The part of the line's name after the family's name: empty, `_bucket`, `_sum` or `_count`. */
  readonly suffix: string;
  /** The labels in the order of the source. The label of a bound or quantile comes last. */
  readonly labels: readonly Label[];
  /** The column of the line's number, counted from the family's first column. */
  readonly column: number;
}

/** All series of a family for one set of resource labels. */
export interface FamilySeries {
  /** The lines of each point, in the order of its columns. */
  readonly points: readonly (readonly Series[])[];
  /**
   * The number of labels that were renamed, because a label of the resource or of the same point has their name, or
   * because the name is reserved.
   */
  readonly renamedLabels: number;
  /** The number of points that were left out, because an earlier point has the same labels. */
  readonly duplicatePoints: number;
}

/**
 * By kind, the label that tells the lines of a histogram or summary apart. A point's own label with this name is
 * renamed.
 */
const BOUND_LABEL: Readonly<Partial<Record<Kind, string>>> = { histogram: "le", summary: "quantile" };

/** Returns the series of a family, for resources whose labels have the names `reserved`. No two series are the same. */
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

/**
 * Returns a text that is equal for two lists of labels if a reader takes them for one series: the order and empty
 * labels make no difference.
 */
export function seriesText(labels: readonly Label[]): string {
  return labels
    .filter(([, value]) => value !== "")
    .map(([name, value]) => labelText(name, value))
    .sort()
    .join();
}

/** Returns the labels that all lines of the point have. A label is renamed if its name is taken. */
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

/** Returns the point's lines in the order of its columns. */
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
