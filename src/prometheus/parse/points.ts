// SPDX-License-Identifier: Apache-2.0
import type { Attribute, Kind, Point } from "../../metrics/model.ts";
import { COUNT_SUFFIX, SUM_SUFFIX } from "../series/suffixes.ts";
import { toNumber } from "./number.ts";

/** The parts of a sample line of which points are made. */
export interface BlockSample {
  readonly name: string;
  readonly attributes: readonly Attribute[];
}

/** The points that are made of the samples of one block. */
export interface Points<Sample> {
  readonly points: readonly Point[];
  /** By column, the sample that has its number. */
  readonly columns: readonly Sample[];
  /** The samples that are part of no point. */
  readonly rejected: readonly { readonly sample: Sample; readonly reason: string }[];
}

/**
 * Makes points of the samples of the family `name`. Each sample must have a name that a family of this kind can have.
 */
export function assemblePoints<Sample extends BlockSample>(
  name: string,
  kind: Kind,
  samples: readonly Sample[],
): Points<Sample> {
  return kind === "histogram" || kind === "summary"
    ? assembleCompounds(name, kind, samples)
    : assembleSimple(samples);
}

function assembleSimple<Sample extends BlockSample>(samples: readonly Sample[]): Points<Sample> {
  const points: Point[] = [];
  const columns: Sample[] = [];
  const rejected: { sample: Sample; reason: string }[] = [];
  const seen = new Set<string>();
  for (const sample of samples) {
    const key = seriesKey(sample.attributes);
    if (seen.has(key)) rejected.push({ sample, reason: "series twice in one family" });
    else {
      seen.add(key);
      columns.push(sample);
      points.push({ attributes: sample.attributes, bounds: [], boundTexts: [] });
    }
  }
  return { points, columns, rejected };
}

type CompoundKind = "histogram" | "summary";

/** The lines of one histogram or summary point. */
interface Compound<Sample> {
  readonly attributes: readonly Attribute[];
  readonly samples: Sample[];
  readonly bounds: { readonly value: number; readonly text: string; readonly sample: Sample }[];
  infinite?: Sample;
  sum?: Sample;
  count?: Sample;
  fault?: string;
}

function assembleCompounds<Sample extends BlockSample>(
  name: string,
  kind: CompoundKind,
  samples: readonly Sample[],
): Points<Sample> {
  const compounds = new Map<string, Compound<Sample>>();
  const boundLabel = kind === "histogram" ? "le" : "quantile";
  for (const sample of samples) {
    const suffix = sample.name.slice(name.length);
    const isTotal = suffix === SUM_SUFFIX || suffix === COUNT_SUFFIX;
    const attributes = isTotal
      ? sample.attributes
      : sample.attributes.filter(({ key }) => key !== boundLabel);
    const key = seriesKey(attributes);
    let compound = compounds.get(key);
    if (compound === undefined) {
      compound = { attributes, samples: [], bounds: [] };
      compounds.set(key, compound);
    }
    compound.samples.push(sample);
    if (isTotal) addTotal(compound, suffix === SUM_SUFFIX ? "sum" : "count", sample);
    else addBound(compound, kind, sample);
  }
  const points: Point[] = [];
  const columns: Sample[] = [];
  const rejected: { sample: Sample; reason: string }[] = [];
  for (const compound of compounds.values()) {
    const ordered = orderSamples(compound, kind);
    if (typeof ordered === "string") {
      for (const sample of compound.samples) rejected.push({ sample, reason: ordered });
      continue;
    }
    for (const sample of ordered) columns.push(sample);
    const { attributes, bounds } = compound;
    points.push({
      attributes,
      bounds: bounds.map(({ value }) => value),
      boundTexts: bounds.map(({ text }) => text),
    });
  }
  return { points, columns, rejected };
}

function addBound<Sample extends BlockSample>(
  compound: Compound<Sample>,
  kind: CompoundKind,
  sample: Sample,
): void {
  const label = kind === "histogram" ? "le" : "quantile";
  const text = sample.attributes.find(({ key }) => key === label)?.value ?? "";
  const value = toNumber(text) ?? Number.NaN;
  if (Number.isNaN(value)) compound.fault ??= `${kind} line without a usable label "${label}"`;
  else if (kind === "histogram" && value === Infinity) {
    if (compound.infinite !== undefined) compound.fault ??= "histogram with two +Inf buckets";
    compound.infinite = sample;
  } else compound.bounds.push({ value, text, sample });
}

function addTotal<Sample>(compound: Compound<Sample>, total: "sum" | "count", sample: Sample): void {
  if (compound[total] !== undefined) compound.fault ??= `point with two lines _${total}`;
  compound[total] = sample;
}

/** Sorts the bounds. Returns the samples in the order of the point's columns, or the reason why they make no point. */
function orderSamples<Sample>(compound: Compound<Sample>, kind: CompoundKind): readonly Sample[] | string {
  const { bounds, infinite, sum, count, fault } = compound;
  if (fault !== undefined) return fault;
  if (sum === undefined || count === undefined) return `${kind} without its _sum and _count`;
  if (kind === "histogram" && infinite === undefined) return "histogram without its +Inf bucket";
  bounds.sort((a, b) => a.value - b.value);
  for (const [index, bound] of bounds.entries()) {
    if (index > 0 && bound.value === bounds[index - 1]?.value) return `${kind} with one bound twice`;
  }
  const ordered = bounds.map(({ sample }) => sample);
  if (infinite !== undefined) ordered.push(infinite);
  ordered.push(sum, count);
  return ordered;
}

/** Returns a key that is equal for the same labels in any order. */
function seriesKey(attributes: readonly Attribute[]): string {
  if (attributes.length === 0) return "";
  const pairs = attributes.map(({ key, value }) => `${key}=${value.length}:${value}`);
  return (pairs.length === 1 ? pairs : pairs.sort()).join(",");
}
