// SPDX-License-Identifier: Apache-2.0
/** What a point's number means; the vocabulary of OTLP, to which the Prometheus text types map one to one. */
export type Kind = "gauge" | "sum" | "histogram" | "summary" | "unknown";

export interface Attribute {
  readonly key: string;
  readonly value: string;
}

/** In the order in which the source wrote them: exporters that write labels keep that order. */
export type Attributes = readonly Attribute[];

/**
 * One point of a family and the columns it takes, by kind:
 * - gauge, sum, unknown: `[value]`;
 * - histogram: `[cumulative count per bound…, count of +Inf, sum, count]`;
 * - summary: `[value per quantile…, sum, count]`.
 */
export interface Point {
  readonly attributes: Attributes;
  /** Histogram: upper bounds without +Inf, ascending. Summary: quantiles. Otherwise empty. */
  readonly bounds: readonly number[];
  /** The bounds as the source spelled them (`1`, `1e+06`), since a series' identity is its text. +Inf is left out. */
  readonly boundTexts: readonly string[];
}

/** All that is known of a metric before its numbers. Immutable; interned, so that `===` is equality. */
export interface Family {
  /** Order of interning, unique while the process runs. */
  readonly id: number;
  readonly name: string;
  readonly kind: Kind;
  /** UCUM; empty where unknown. */
  readonly unit: string;
  readonly help: string;
  readonly points: readonly Point[];
  /** Sum of the widths of the points. */
  readonly width: number;
}

/** An ordered set of families without two of one name. Immutable; interned, so that `===` is equality. */
export interface Schema {
  readonly families: readonly Family[];
  /** `offsets[i]` is the first column of `families[i]`. */
  readonly offsets: readonly number[];
  readonly width: number;
}

/** Whom the numbers are about. Immutable; one object per sandbox until something about it changes. */
export interface Resource {
  /** Unique within the agent and stable for the life of the resource, whatever its attributes become. */
  readonly key: string;
  readonly attributes: Attributes;
}

/** One scrape of one resource. Nothing in it is written after hand-over. */
export interface Reading {
  readonly resource: Resource;
  readonly schema: Schema;
  /** `schema.width` numbers; `schema.offsets` says where each family begins. */
  readonly values: Float64Array;
  /** When the numbers were taken, in Unix milliseconds. */
  readonly timeMs: number;
  /** Since when sums, histograms and summaries count, in Unix milliseconds; 0 where unknown. */
  readonly startMs: number;
}

/** The resource is gone: whoever keeps its series drops or ends them now. */
export interface Ended {
  readonly resource: Resource;
  readonly timeMs: number;
}

/** The number of columns that a point of this kind takes. */
export function pointWidth(kind: Kind, boundCount: number): number {
  switch (kind) {
    case "gauge":
    case "sum":
    case "unknown":
      return 1;
    case "histogram":
      return boundCount + 3;
    case "summary":
      return boundCount + 2;
  }
}

/** The value of the resource's attribute, or undefined where it has none of that key. */
export function attributeOf(resource: Resource, key: string): string | undefined {
  for (const attribute of resource.attributes) if (attribute.key === key) return attribute.value;
  return undefined;
}

/** The number of data points that a reading of this schema carries. */
export function pointCount(schema: Schema): number {
  let count = 0;
  for (const family of schema.families) count += family.points.length;
  return count;
}
