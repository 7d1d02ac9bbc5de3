// SPDX-License-Identifier: Apache-2.0
import type { Family, Kind, Reading, Schema } from "../../metrics/model.ts";
import type { Identity } from "../series/resource_labels.ts";

/** Something that a page does not show as the source has it, because Prometheus would refuse it or mix up series. */
export interface Conflict {
  /**
   * - `type`: families of one name differ in kind; they are written without a type, or the rarer is left out where their
   *   lines differ too.
   * - `name`: a family is called as another one's `_bucket`, `_sum` or `_count` lines, in OpenMetrics also `_created`;
   *   the rarer is left out.
   * - `value`: a point has a number that its kind forbids, and is left out.
   * - `series`: the same series from the same or another resource; the later is left out.
   * - `label`: a label is called as another one; it is written as `exported_…`.
   */
  readonly reason: "type" | "name" | "value" | "series" | "label";
  /** The family's name on the page. */
  readonly name: string;
}

/** One resource on a page. */
export interface PageRow {
  readonly identity: Identity;
  readonly reading: Reading;
  /** Where in the page's suffixes its labels begin. */
  readonly suffixStart: number;
}

/** Rows whose readings have a family in the same columns. */
export interface PageColumn {
  readonly offset: number;
  readonly rows: readonly PageRow[];
}

/** What a family's lines look like. Scalars of different kinds can stand under one name, if need be without a type. */
export type Shape = Extract<Kind, "histogram" | "summary" | "unknown">;

/** The families of one page name and shape, from all resources that have them. */
export interface Contender {
  readonly name: string;
  readonly shape: Shape;
  readonly families: Map<Family, PageColumn[]>;
  /** The number of resources. */
  rows: number;
}

export interface DraftOptions {
  nameOf(family: Family): string;
  /** Whether families of the name go on the page. */
  isWanted(name: string): boolean;
  onConflict(conflict: Conflict): void;
}

/** Sorts the rows of a page by what they bring. Rows of one schema are taken together: the work is per schema. */
export class Draft {
  readonly #options: DraftOptions;
  readonly #byIdentity = new Map<string, PageRow[]>();
  readonly #contenders = new Map<string, Contender>();

  constructor(options: DraftOptions) {
    this.#options = options;
  }

  add(row: PageRow): void {
    const twins = this.#byIdentity.get(row.identity.text);
    if (twins === undefined) this.#byIdentity.set(row.identity.text, [row]);
    else twins.push(row);
  }

  finish(): Contender[] {
    const bySchema = new Map<Schema, PageRow[]>();
    for (const rows of this.#byIdentity.values()) {
      if (rows.length > 1) {
        this.#addTwins(rows);
        continue;
      }
      for (const row of rows) {
        const alike = bySchema.get(row.reading.schema);
        if (alike === undefined) bySchema.set(row.reading.schema, [row]);
        else alike.push(row);
      }
    }
    for (const [schema, rows] of bySchema) this.#addRows(schema, rows, new Set());
    return [...this.#contenders.values()];
  }

  /** Resources that cannot be told apart by their labels: each name goes to the first that has it. */
  #addTwins(rows: readonly PageRow[]): void {
    const taken = new Set<string>();
    for (const row of rows) this.#addRows(row.reading.schema, [row], taken);
  }

  #addRows(schema: Schema, rows: readonly PageRow[], taken: Set<string>): void {
    const { nameOf, isWanted, onConflict } = this.#options;
    for (const [index, family] of schema.families.entries()) {
      const name = nameOf(family);
      if (!isWanted(name)) continue;
      if (taken.has(name)) {
        onConflict({ reason: "series", name });
        continue;
      }
      taken.add(name);
      const contender = this.#contender(name, shapeOf(family.kind));
      contender.rows += rows.length;
      const column = { offset: schema.offsets[index] ?? 0, rows };
      const columns = contender.families.get(family);
      if (columns === undefined) contender.families.set(family, [column]);
      else columns.push(column);
    }
  }

  #contender(name: string, shape: Shape): Contender {
    const key = `${shape} ${name}`;
    const known = this.#contenders.get(key);
    if (known !== undefined) return known;
    const contender = { name, shape, families: new Map(), rows: 0 };
    this.#contenders.set(key, contender);
    return contender;
  }
}

function shapeOf(kind: Kind): Shape {
  return kind === "histogram" || kind === "summary" ? kind : "unknown";
}
