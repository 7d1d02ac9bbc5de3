// SPDX-License-Identifier: Apache-2.0
import type { Family, Kind, Reading, Schema } from "../../metrics/model.ts";
import type { Conflict } from "../series/conflict.ts";
import type { ResourceText } from "../series/resource_text.ts";

/** One resource on a page. */
export interface PageRow {
  /** The row's position among all rows of the page. */
  readonly index: number;
  readonly labels: ResourceText;
  readonly reading: Reading;
}

/** Rows whose readings have a family in the same columns. */
export interface RowsAtOffset {
  /** The family's first column in these readings. */
  readonly offset: number;
  readonly rows: readonly PageRow[];
}

/**
 * The form of a family's lines. Every scalar kind has the shape `unknown`, since scalars of different kinds can share
 * one name on a page, which is then declared without a type.
 */
export type LineShape = Extract<Kind, "histogram" | "summary" | "unknown">;

/** All families with one written name and one shape. Contenders with the same name compete for it. */
export interface Contender {
  readonly name: string;
  readonly shape: LineShape;
  readonly families: Map<Family, RowsAtOffset[]>;
  /** The number of resources that have one of the families. */
  rows: number;
}

/** The names under which families are written, and the choice of those that the page has. */
export interface ContendersOptions {
  /** Returns the name under which a family is written. */
  nameOf(family: Family): string;
  /** Whether the page has families of this name. */
  isWanted(name: string): boolean;
  onConflict(conflict: Conflict): void;
}

/**
 * Groups the rows of a page by the families that they bring. Rows with the same schema are grouped together in one
 * step.
 */
export class Contenders {
  readonly #options: ContendersOptions;
  readonly #byLabels = new Map<string, PageRow[]>();
  readonly #contenders = new Map<string, Contender>();

  constructor(options: ContendersOptions) {
    this.#options = options;
  }

  add(row: PageRow): void {
    const twins = this.#byLabels.get(row.labels.text);
    if (twins === undefined) this.#byLabels.set(row.labels.text, [row]);
    else twins.push(row);
  }

  /** Returns the contenders of all rows. Nothing may be added afterwards. */
  finish(): Contender[] {
    const bySchema = new Map<Schema, PageRow[]>();
    for (const rows of this.#byLabels.values()) {
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

  /**
   * Adds resources with the same labels, which a reader cannot tell apart. A family name is written only for the first
   * of these resources that has a family of this name.
   */
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
      const place = { offset: schema.offsets[index] ?? 0, rows };
      const places = contender.families.get(family);
      if (places === undefined) contender.families.set(family, [place]);
      else places.push(place);
    }
  }

  #contender(name: string, shape: LineShape): Contender {
    const key = `${shape} ${name}`;
    const known = this.#contenders.get(key);
    if (known !== undefined) return known;
    const contender = { name, shape, families: new Map(), rows: 0 };
    this.#contenders.set(key, contender);
    return contender;
  }
}

function shapeOf(kind: Kind): LineShape {
  return kind === "histogram" || kind === "summary" ? kind : "unknown";
}
