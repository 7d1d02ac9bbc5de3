import type { Family } from "../../metrics/model.ts";
import { type Label, type Series, seriesOf, seriesText } from "../../prometheus/series.ts";
import { ProtoWriter } from "../../wire/writer.ts";
import { joinPieces } from "./copy.ts";

/** The labels of a family's series, encoded but for those of the resource, which stand between them. Immutable. */
export interface SeriesPlan {
  /** On the page. */
  readonly name: string;
  readonly family: Family;
  /** Names of the resource's labels. */
  readonly reserved: ReadonlySet<string>;
  /** The series' own labels, in the order of names, one behind the other; then the next series'. */
  readonly labels: DataView;
  /** Where each series begins in `labels`; one more for the end of the last. */
  readonly starts: Int32Array;
  /**
   * How a series' labels are put together, as pairs: copy own labels up to this end, then the resource's up to that one
   * (counted in labels). Where the pairs of each series begin; one more for the end of the last.
   */
  readonly steps: Int32Array;
  readonly stepStarts: Int32Array;
  /** The column of each series' value, counted from the family's first. */
  readonly columns: Int32Array;
  /** The indexes of all series. */
  readonly all: Int32Array;
  readonly renamedLabels: number;
  readonly duplicatePoints: number;
}

export const METRIC_NAME_LABEL = "__name__";

/** Field numbers of prometheus.TimeSeries and prometheus.Label. */
const LABELS_FIELD = 1;
const LABEL = { name: 1, value: 2 };

/** Compiles the series of a family for resources with labels of these names, which are sorted. */
export function planSeries(name: string, family: Family, resourceNames: readonly string[]): SeriesPlan {
  const reserved = new Set(resourceNames);
  const { points, renamedLabels, duplicatePoints } = seriesOf(family, reserved);
  const pieces: Uint8Array[] = [];
  const starts = [0];
  const steps: number[] = [];
  const stepStarts = [0];
  let at = 0;
  const lines = points.flat();
  for (const line of lines) {
    let next = 0;
    for (const label of sortedLabels(name, line)) {
      const before = countBefore(resourceNames, label[0]);
      if (before > next) steps.push(at, before);
      next = before;
      const bytes = encodeLabel(label);
      pieces.push(bytes);
      at += bytes.length;
    }
    steps.push(at, resourceNames.length);
    starts.push(at);
    stepStarts.push(steps.length);
  }
  return {
    name,
    family,
    reserved,
    labels: joinPieces(pieces),
    starts: Int32Array.from(starts),
    steps: Int32Array.from(steps),
    stepStarts: Int32Array.from(stepStarts),
    columns: Int32Array.from(lines, ({ column }) => column),
    all: Int32Array.from(lines.keys()),
    renamedLabels,
    duplicatePoints,
  };
}

/** A text for each series of the plan, which is the same for the same series, in their order. */
export function seriesKeys(
  { name, family, reserved }: SeriesPlan,
  resourceLabels: readonly Label[],
): string[] {
  const { points } = seriesOf(family, reserved);
  return points
    .flat()
    .map(({ suffix, labels }) => `${name}${suffix}{${seriesText([...labels, ...resourceLabels])}}`);
}

/** A label with its tag and length, as TimeSeries has it; an empty one is none, and takes no bytes. */
export function encodeLabel([name, value]: Label): Uint8Array {
  const outer = new ProtoWriter();
  if (value === "") return outer.finish();
  const label = new ProtoWriter();
  label.text(LABEL.name, name);
  label.text(LABEL.value, value);
  outer.delimited(LABELS_FIELD, label.finish());
  return outer.finish();
}

/** In the order that the protocol demands. */
export function byName([a]: Label, [b]: Label): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function sortedLabels(name: string, { suffix, labels }: Series): Label[] {
  return [[METRIC_NAME_LABEL, name + suffix] as const, ...labels].sort(byName);
}

/** How many of the names, which are sorted, come before this one. */
function countBefore(names: readonly string[], name: string): number {
  const index = names.findIndex((other) => other > name);
  return index < 0 ? names.length : index;
}
