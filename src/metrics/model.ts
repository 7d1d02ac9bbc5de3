// SPDX-License-Identifier: Apache-2.0
/** The meaning of a point's numbers, in OTLP's words. Prometheus' text types map to them one to one. */
export type Kind = "gauge" | "sum" | "histogram" | "summary" | "unknown";

export interface Attribute {
  readonly key: string;
  readonly value: string;
}

/** Attributes in the order in which the source wrote them. Exporters that write labels keep that order. */
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
  /** The bounds as the source spelled them (`1`, `1e+06`), since their text identifies a series. +Inf is left out. */
  readonly boundTexts: readonly string[];
}

/** All about a metric except its numbers. Immutable, and interned, so that `===` is equality. */
export interface Family {
  /** A number that no other family of this process has. */
  readonly id: number;
  readonly name: string;
  readonly kind: Kind;
  /** The unit as UCUM writes it; empty if it is unknown. */
  readonly unit: string;
  readonly help: string;
  readonly points: readonly Point[];
  /** The number of columns that the family takes: the sum of the widths of its points. */
  readonly width: number;
}

/**
 * An ordered list of families, no two of which have the same name. Immutable, and interned, so that `===` is equality.
 */
export interface Schema {
  readonly families: readonly Family[];
  /** `offsets[i]` is the first column of `families[i]`. */
  readonly offsets: readonly number[];
  /** The number of columns of all families. */
  readonly width: number;
}

/**
 * The thing that was measured, such as a sandbox. Immutable. A sandbox keeps the same object until its attributes
 * change.
 */
export interface Resource {
  /** Unique within the agent. It does not change while the resource lives, although its attributes may. */
  readonly key: string;
  readonly attributes: Attributes;
}

/** The numbers of one scrape of one resource. Nobody writes to a reading after it was handed over. */
export interface Reading {
  readonly resource: Resource;
  readonly schema: Schema;
  /** `schema.width` numbers; `schema.offsets` says where each family begins. */
  readonly values: Float64Array;
  /** The time at which the numbers were measured, in Unix milliseconds. */
  readonly timeMs: number;
  /** The time since when sums, histograms and summaries count, in Unix milliseconds; 0 if it is unknown. */
  readonly startMs: number;
}

/** Says that a resource is gone. Each component that keeps series of the resource drops or ends them now. */
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

/** The value of the resource's attribute with this key; undefined if the resource has none. */
export function attributeOf(resource: Resource, key: string): string | undefined {
  for (const attribute of resource.attributes) if (attribute.key === key) return attribute.value;
  return undefined;
}

/** The number of data points of a reading of this schema. */
export function pointCount(schema: Schema): number {
  let count = 0;
  for (const family of schema.families) count += family.points.length;
  return count;
}
