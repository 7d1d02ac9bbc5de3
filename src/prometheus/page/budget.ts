// SPDX-License-Identifier: Apache-2.0
import { isGuestFamily, KNOWN_FAMILIES } from "../../kata/known_families.ts";
import type { Interner } from "../../metrics/interner.ts";
import type { Family, Reading, Resource, Schema } from "../../metrics/model.ts";
import type { ResourceText } from "../series/resource_text.ts";
import { LIMITED_NAME, limitedFamily, type PageLimit } from "./limited_family.ts";
import { LABELS_END, WRITTEN_NUMBER_BYTES_MAX } from "./page_format.ts";
import type { TextSize, TextSizes } from "./text_size.ts";

/**
 * Nobody is cut below so many samples. Honest sandboxes have up to 1,900: a page of them alone loses nothing, however
 * small its budget is.
 */
export const FLOOR_SAMPLES = 2_000;
/** What the floor allows a line to have before the labels of its sandbox, on average. Kata's own have up to 110. */
const FLOOR_PREFIX_BYTES = 160;
/** And for those labels: what is more was not the operator's doing, but that of a pod's author. */
const FLOOR_LABEL_BYTES_MAX = 1_024;
/** A line feed, and a blank and a time before it. */
const LINE_END_BYTES = { plain: 1, timed: 18 };
const EOF_BYTES = 6;
/** What the point takes that says that its sandbox was cut, beside a line's usual signs and the sandbox's labels. */
const LIMITED_BYTES = 256;
/** Parts of one schema that are remembered. */
const PARTS_MAX = 16;

export interface BudgetOptions {
  readonly interner: Interner;
  /** Samples of a page; infinite for no limit. */
  readonly samplesMax: number;
  /** Bytes of a page before it is compressed, each number counted with the most that one can have; infinite for no limit. */
  readonly bytesMax: number;
  /** Whether lines have times. */
  readonly timestamps: boolean;
  /** Hears of each resource that is cut, with every page. */
  onCut(resource: Resource, limit: PageLimit): void;
  /** Hears with every page whether it is too large for a limit though nobody can be cut any more. */
  onTooLarge(limit: PageLimit, isTooLarge: boolean): void;
}

/** How a limit counts. */
interface Measure {
  readonly limit: PageLimit;
  readonly max: number;
  /** What each page has beside its resources. */
  readonly base: number;
  of(reading: Reading, sharers: number): number;
  ofFamily(family: Family, resource: Resource): number;
  /** What the resource may always have. */
  floor(resource: Resource): number;
  /** What saying that it was cut adds. */
  readonly note: number;
}

/** What is left of a schema, and where its columns were there; -1 for a column of ones. */
interface SchemaPart {
  readonly schema: Schema;
  readonly columns: Int32Array;
}

/**
 * Keeps a page within what its reader takes: the largest resources are cut to one level, so that what all have together
 * fits, and none below a floor that honest ones keep. An offender loses families of its guest that nobody knows, then
 * others of its guest, the largest first; what the host or the agent says of it stays. Who is cut depends on what
 * resources bring, not on numbers: it is the same on one page after the other.
 */
export class PageBudget {
  readonly #options: BudgetOptions;
  readonly #sizes: TextSizes;
  readonly #textOf: (resource: Resource) => ResourceText;
  readonly #measures: readonly Measure[];
  readonly #parts = new WeakMap<Schema, Map<string, SchemaPart>>();
  /** By whole reading, what was left of it: page after page, as long as it is the latest. */
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

  /** Measures what the reading brings that is new, so that a page of many readings need not do that at one go. */
  note(reading: Reading): void {
    for (const measure of this.#measures) measure.of(reading, 1);
  }

  /** The readings, with what exceeds the page left out of the largest. */
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

  /** The reading without as many of its guest's families as have so much more than the excess. */
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

  /** The same for the same families again. */
  #part(schema: Schema, lost: ReadonlySet<Family>, limit: PageLimit): SchemaPart {
    const parts = this.#parts.get(schema) ?? new Map<string, SchemaPart>();
    this.#parts.set(schema, parts);
    const key = `${limit} ${Array.from(lost, ({ id }) => id).join()}`;
    const known = parts.get(key);
    if (known !== undefined) return known;
    if (parts.size >= PARTS_MAX) parts.clear();
    const part = this.#schemaWithout(schema, lost, limit);
    parts.set(key, part);
    return part;
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

/** The length of what a line has between the sample's own labels and its number. */
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

/** Families of the guest in the order in which it loses them: those that nobody knows, then the others; the largest first. */
function inOrderOfLoss({ families }: Schema, costOf: (family: Family) => number): readonly Family[] {
  return families
    .filter(({ name }) => isGuestFamily(name))
    .map((family) => ({ family, known: Number(KNOWN_FAMILIES.has(family.name)), cost: costOf(family) }))
    .sort((a, b) => a.known - b.known || b.cost - a.cost || a.family.id - b.family.id)
    .map(({ family }) => family);
}

/**
 * The most, as a whole number, that those who are over their floor may have so that all fit into the budget; undefined where all do not fit
 * even at their floors.
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
