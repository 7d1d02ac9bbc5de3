// SPDX-License-Identifier: Apache-2.0
import { isGuestFamily, KNOWN_FAMILIES } from "../../kata/known_families.ts";
import { BoundedMap } from "../../metrics/bounded_map.ts";
import type { Interner } from "../../metrics/interner.ts";
import { getOrMake, memoized } from "../../metrics/memoized.ts";
import type { Family, Reading, Resource, Schema } from "../../metrics/model.ts";
import type { ResourceText } from "../series/resource_text.ts";
import { LIMITED_NAME, limitedFamily, type PageLimit } from "./limited_family.ts";
import { LABELS_END, WRITTEN_NUMBER_BYTES_MAX } from "./page_format.ts";
import type { TextSize, TextSizes } from "./text_size.ts";

/**
 * No sandbox is cut below this number of samples. Honest sandboxes have up to 1,900, and so lose nothing, however small
 * the limit on the page is.
 */
export const FLOOR_SAMPLES = 2_000;
/**
 * The limit on bytes cuts no sandbox below `FLOOR_SAMPLES` lines with this many bytes each before the sandbox's labels.
 * Kata's lines have up to 110 there.
 */
const FLOOR_PREFIX_BYTES = 160;
/**
 * In this floor of the limit on bytes, each line also counts the sandbox's labels, but at most this many bytes of them:
 * longer labels come from a pod's author, not from the operator.
 */
const FLOOR_LABEL_BYTES_MAX = 1_024;
/** The bytes after a line's number: `plain` is a line feed, `timed` is a blank, a time and a line feed. */
const LINE_END_BYTES = { plain: 1, timed: 18 };
const EOF_BYTES = 6;
/** The bytes of the line that says that its sandbox was cut, without the sandbox's labels. */
const LIMITED_BYTES = 256;
/**
 * The most parts of one schema that are remembered. At the limit, all of them are forgotten, and are made again when
 * they are needed.
 */
const PARTS_MAX = 16;

/** Limits on one page, and functions that are called when they are reached. */
export interface BudgetOptions {
  readonly interner: Interner;
  /** The most samples of a page; infinite for no limit. */
  readonly samplesMax: number;
  /**
   * The most bytes of a page before compression; infinite for no limit. Each number counts as
   * `WRITTEN_NUMBER_BYTES_MAX` bytes.
   */
  readonly bytesMax: number;
  /** Whether each line has the time of its reading, which makes it longer. */
  readonly timestamps: boolean;
  /** Called with every page for each resource that is cut. */
  onCut(resource: Resource, limit: PageLimit): void;
  /**
   * Called with every page for each limit. `isTooLarge` says whether the page exceeds the limit although no resource
   * can be cut any more.
   */
  onTooLarge(limit: PageLimit, isTooLarge: boolean): void;
}

/** The way in which one limit counts the size of a page: in samples or in bytes. */
interface Measure {
  readonly limit: PageLimit;
  readonly max: number;
  /** The size of a page that has no resources. */
  readonly base: number;
  of(reading: Reading, sharers: number): number;
  ofFamily(family: Family, resource: Resource): number;
  /** The size below which the resource is never cut. */
  floor(resource: Resource): number;
  /** The size of the point that says that a resource was cut. */
  readonly note: number;
}

/** A schema from which families were cut. */
interface SchemaPart {
  readonly schema: Schema;
  /**
   * By column of this schema, the column of the whole schema with the same number; -1 for the columns of
   * `limitedFamily`, whose numbers are always 1.
   */
  readonly columns: Int32Array;
}

/**
 * Keeps a page within the limits of its reader. The largest resources are cut to one common size, so that all resources
 * together fit. No resource is cut below a floor, which honest resources do not reach. A resource that is cut first
 * loses families of its guest that Kata does not have, then other families of its guest, the largest first. The
 * families of the shim and of the agent stay. Which resources are cut depends on their series and not on their numbers,
 * so that the same ones are cut on page after page.
 */
export class PageBudget {
  readonly #options: BudgetOptions;
  readonly #sizes: TextSizes;
  readonly #textOf: (resource: Resource) => ResourceText;
  readonly #measures: readonly Measure[];
  readonly #partsOf = memoized((_: Schema) => new BoundedMap<string, SchemaPart>(PARTS_MAX));
  /**
   * By reading that was cut, the reading without the lost families. All pages use the same object until the resource
   * has a new reading.
   */
  readonly #cuts = new WeakMap<Reading, Reading>();

  constructor(
    options: BudgetOptions,
    { sizes, textOf }: { sizes: TextSizes; textOf(resource: Resource): ResourceText },
  ) {
    this.#options = options;
    this.#sizes = sizes;
    this.#textOf = textOf;
    const measures = [samplesMeasure(options.samplesMax), this.#bytesMeasure()];
    this.#measures = measures.filter(({ max }) => max < Number.POSITIVE_INFINITY);
  }

  /**
   * Measures the families of the reading that no earlier call has measured, so that a page of many new readings need
   * not measure all of them at once.
   */
  note(reading: Reading): void {
    for (const measure of this.#measures) measure.of(reading, 1);
  }

  /** Returns the readings, with families left out of the largest as far as the limits demand. */
  fit(readings: readonly Reading[]): readonly Reading[] {
    return this.#measures.reduce((left, measure) => this.#fitOne(left, measure), readings);
  }

  #fitOne(readings: readonly Reading[], measure: Measure): readonly Reading[] {
    const { onCut, onTooLarge } = this.#options;
    const { limit, max, base } = measure;
    const sharers = new Map<Schema, number>();
    for (const { schema } of readings) sharers.set(schema, (sharers.get(schema) ?? 0) + 1);
    const costs = readings.map((reading) => measure.of(reading, sharers.get(reading.schema) ?? 1));
    const sum = costs.reduce((total, cost) => total + cost, base);
    if (sum <= max) {
      onTooLarge(limit, false);
      return readings;
    }
    const floors = readings.map(({ resource }) => measure.floor(resource));
    const level = waterLevel(costs, floors, max - base);
    onTooLarge(limit, level === undefined);
    return readings.map((reading, index) => {
      const cap = Math.max(level ?? 0, floors[index] ?? 0);
      const excess = (costs[index] ?? 0) - cap;
      if (excess <= 0) return reading;
      const cut = this.#cut(reading, excess, measure);
      if (cut !== reading) onCut(reading.resource, limit);
      return cut;
    });
  }

  /** Leaves out families of the guest until the excess is gone, or the guest has no more. */
  #cut(reading: Reading, excess: number, measure: Measure): Reading {
    const { schema, resource } = reading;
    const costOf = (family: Family): number => measure.ofFamily(family, resource);
    const lost = new Set<Family>();
    let left = excess + measure.note;
    for (const family of inOrderOfLoss(schema, costOf)) {
      if (left <= 0) break;
      left -= costOf(family);
      lost.add(family);
    }
    if (lost.size === 0) return reading;
    const part = this.#part(schema, lost, measure.limit);
    const known = this.#cuts.get(reading);
    if (known?.schema === part.schema && known.resource === resource) return known;
    const values = new Float64Array(part.columns.length);
    for (const [to, from] of part.columns.entries()) values[to] = from < 0 ? 1 : (reading.values[from] ?? 0);
    const cut = { ...reading, schema: part.schema, values };
    this.#cuts.set(reading, cut);
    return cut;
  }

  /**
   * Returns the schema without these families, and with a point that names the limit. The same families and limit give
   * the same object, as long as it is remembered.
   */
  #part(schema: Schema, lost: ReadonlySet<Family>, limit: PageLimit): SchemaPart {
    const key = `${limit} ${Array.from(lost, ({ id }) => id).join()}`;
    return getOrMake(this.#partsOf(schema), key, () => this.#schemaWithout(schema, lost, limit));
  }

  #schemaWithout({ families, offsets }: Schema, lost: ReadonlySet<Family>, limit: PageLimit): SchemaPart {
    const { interner } = this.#options;
    const kept: Family[] = [];
    const columns: number[] = [];
    const limits: string[] = [limit];
    for (const [index, family] of families.entries()) {
      if (family.name === LIMITED_NAME) {
        for (const { attributes } of family.points) limits.push(attributes[0]?.value ?? "");
      } else if (!lost.has(family)) {
        kept.push(family);
        const offset = offsets[index] ?? 0;
        for (let column = 0; column < family.width; column++) columns.push(offset + column);
      }
    }
    const limited = interner.family(limitedFamily(limits));
    for (let column = 0; column < limited.width; column++) columns.push(-1);
    return { schema: interner.schema([...kept, limited]), columns: Int32Array.from(columns) };
  }

  #bytesMeasure(): Measure {
    const { bytesMax, timestamps } = this.#options;
    const lineBytes = WRITTEN_NUMBER_BYTES_MAX + (timestamps ? LINE_END_BYTES.timed : LINE_END_BYTES.plain);
    const textBytes = (size: TextSize, labels: ResourceText): number =>
      size.prefixBytes + size.lines * (suffixBytes(labels) + lineBytes);
    return {
      limit: "page_bytes",
      max: bytesMax,
      base: EOF_BYTES,
      of: ({ resource, schema }, sharers) => {
        const labels = this.#textOf(resource);
        const size = this.#sizes.ofSchema(labels.labelSet, schema);
        return textBytes(size, labels) + size.headerBytes / sharers;
      },
      ofFamily: (family, resource) => {
        const labels = this.#textOf(resource);
        const size = this.#sizes.ofFamily(labels.labelSet, family);
        return textBytes(size, labels) + size.headerBytes;
      },
      floor: (resource) => {
        const labelBytes = Math.min(suffixBytes(this.#textOf(resource)), FLOOR_LABEL_BYTES_MAX);
        return FLOOR_SAMPLES * (FLOOR_PREFIX_BYTES + labelBytes + lineBytes);
      },
      note: LIMITED_BYTES + FLOOR_LABEL_BYTES_MAX,
    };
  }
}

/** The bytes of a line between the sample's own labels and its number: the resource's labels and their end. */
function suffixBytes({ bytes }: ResourceText): number {
  return bytes === 0 ? 0 : bytes + LABELS_END.length;
}

function samplesMeasure(max: number): Measure {
  return {
    limit: "page_samples",
    max,
    base: 0,
    of: ({ schema }) => schema.width,
    ofFamily: ({ width }) => width,
    floor: () => FLOOR_SAMPLES,
    note: 1,
  };
}

/**
 * The guest's families in the order in which it loses them: those that Kata does not have, then the others; largest
 * first.
 */
function inOrderOfLoss({ families }: Schema, costOf: (family: Family) => number): readonly Family[] {
  return families
    .filter(({ name }) => isGuestFamily(name))
    .map((family) => ({ family, known: Number(KNOWN_FAMILIES.has(family.name)), cost: costOf(family) }))
    .sort((a, b) => a.known - b.known || b.cost - a.cost || a.family.id - b.family.id)
    .map(({ family }) => family);
}

/**
 * Returns the largest whole number such that all costs fit into the budget if each cost above the number is cut to it,
 * but not below its floor. Returns undefined if the costs do not fit even when all are cut to their floors.
 */
export function waterLevel(
  costs: readonly number[],
  floors: readonly number[],
  budget: number,
): number | undefined {
  const sumAt = (level: number): number => {
    let sum = 0;
    for (let i = 0; i < costs.length; i++)
      sum += Math.min(costs[i] as number, Math.max(level, floors[i] as number));
    return sum;
  };
  if (sumAt(0) > budget) return undefined;
  let low = 0;
  let high = Math.ceil(costs.reduce((most, cost) => Math.max(most, cost), 0)) + 1;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (sumAt(middle) <= budget) low = middle;
    else high = middle;
  }
  return low;
}
