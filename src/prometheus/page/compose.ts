// SPDX-License-Identifier: Apache-2.0
import type { Family, Reading } from "../../metrics/model.ts";
import { soundPart } from "../../metrics/sound.ts";
import type { Conflict } from "../series/conflict.ts";
import { writtenName } from "../series/names.ts";
import type { IdentityLabels } from "../series/resource_labels.ts";
import { ResourceTexts } from "../series/resource_text.ts";
import { type BudgetOptions, PageBudget } from "./budget.ts";
import { resolveCollisions } from "./collisions.ts";
import { type Contender, Contenders, type LineShape, type PageRow, type RowsAtOffset } from "./contenders.ts";
import { type Declaration, declare } from "./declarations.ts";
import { isOpenMetricsPoint } from "./openmetrics_points.ts";
import type { PageFormat } from "./page_format.ts";
import { TextSizes } from "./text_size.ts";

/** Options of all pages of one composer. */
export interface ComposerOptions {
  /** The text before every family's name, followed by an underscore; empty for none. */
  readonly namespace: string;
  readonly labels: IdentityLabels;
  /** The limits that the page's reader has; no limits if left out. */
  readonly budget?: BudgetOptions;
  /**
   * Called while a page is composed or written, for everything that is renamed, left out or written without a type so
   * that the page stays valid.
   */
  onConflict(conflict: Conflict): void;
}

/**
 * A family under its written name. A composer makes one such object for each family, so that plans can be kept by it.
 */
export interface NamedFamily {
  readonly name: string;
  readonly family: Family;
}

/** A name with its HELP and TYPE lines, and all families that are written under it. */
export interface PageSection {
  readonly name: string;
  readonly declaration: Declaration;
  readonly help: string;
  /** The families in the order in which the agent first saw them, which is the same on every page. */
  readonly parts: readonly SectionPart[];
}

/** One family of a section, and the rows that have it. */
export interface SectionPart {
  readonly named: NamedFamily;
  readonly places: readonly RowsAtOffset[];
}

/** The content of one page: the readings of one moment, sorted for writing. */
export interface ComposedPage {
  readonly format: PageFormat;
  readonly rows: readonly PageRow[];
  /** The sections, in order of names. */
  readonly sections: readonly PageSection[];
  readonly onConflict: (conflict: Conflict) => void;
}

/** Options of one page. */
export interface ComposeOptions {
  readonly format: PageFormat;
  /** The page has only families whose names begin with one of these; all families if absent. */
  readonly prefixes?: readonly string[] | undefined;
}

/**
 * Composes pages of readings. The composer remembers which shape had a name on the last page, so that one page is like
 * the one before.
 */
export class PageComposer {
  readonly #options: ComposerOptions;
  readonly #texts: ResourceTexts;
  readonly #named = new WeakMap<Family, NamedFamily>();
  readonly #budget: PageBudget | undefined;
  /**
   * By format, the shape of each name on the last page of all families. In a collision, families of this shape count
   * more (`SHOWN_WEIGHT`).
   */
  readonly #shown: Record<PageFormat, ReadonlyMap<string, LineShape>> = {
    text: new Map(),
    openmetrics: new Map(),
  };

  constructor(options: ComposerOptions) {
    this.#options = options;
    this.#texts = new ResourceTexts(options.labels);
    this.#budget =
      options.budget &&
      new PageBudget(options.budget, {
        sizes: new TextSizes((family) => this.#nameOf(family)),
        textOf: (resource) => this.#texts.of(resource),
      });
  }

  /**
   * Measures a reading when it comes from the pipeline, so that a page of many new readings need not measure all of
   * them at once.
   */
  note(reading: Reading): void {
    this.#budget?.note(reading);
  }

  /** Composes a page of these readings. No two of them may be of one resource. */
  compose(readings: readonly Reading[], { format, prefixes }: ComposeOptions): ComposedPage {
    const { onConflict } = this.#options;
    const isWanted = (name: string): boolean => prefixes?.some((prefix) => name.startsWith(prefix)) ?? true;
    const contenders = new Contenders({ nameOf: (family) => this.#nameOf(family), isWanted, onConflict });
    const rows: PageRow[] = [];
    const onUnsound = (families: readonly Family[]): void => {
      for (const name of families.map((family) => this.#nameOf(family)))
        if (isWanted(name)) onConflict({ reason: "value", name });
    };
    // The budget is applied to all families, even if `prefixes` choose some, so that the same sandboxes are cut on
    // every page.
    for (const whole of this.#budget?.fit(readings) ?? readings) {
      const reading = format === "text" ? whole : soundPart(whole, onUnsound, isOpenMetricsPoint);
      const row = { index: rows.length, labels: this.#texts.of(reading.resource), reading };
      contenders.add(row);
      rows.push(row);
    }
    const shown = this.#shown[format];
    const winners = resolveCollisions(contenders.finish(), { format, shown, onConflict });
    if (prefixes === undefined)
      this.#shown[format] = new Map(winners.map(({ name, shape }) => [name, shape]));
    return { format, rows, sections: this.#sections(winners, format), onConflict };
  }

  #sections(winners: readonly Contender[], format: PageFormat): PageSection[] {
    const declarations = declare(winners, format);
    return winners.map(({ name, families }, index) => {
      const parts = [...families]
        .sort(([a], [b]) => a.id - b.id)
        .map(([family, places]) => ({ named: this.#namedOf(family), places }));
      const help = parts.find(({ named }) => named.family.help !== "")?.named.family.help ?? "";
      return { name, declaration: declarations[index] as Declaration, help, parts };
    });
  }

  #nameOf(family: Family): string {
    return this.#namedOf(family).name;
  }

  #namedOf(family: Family): NamedFamily {
    const known = this.#named.get(family);
    if (known !== undefined) return known;
    const named = { name: writtenName(this.#options.namespace, family.name), family };
    this.#named.set(family, named);
    return named;
  }
}
