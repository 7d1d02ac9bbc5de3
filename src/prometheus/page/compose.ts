// SPDX-License-Identifier: Apache-2.0
import type { Family, Reading } from "../../metrics/model.ts";
import { soundPart } from "../../metrics/sound.ts";
import { type PageFormat, toMetricName } from "../series/names.ts";
import { Identities, type IdentityLabels } from "../series/resource_labels.ts";
import { joinTemplates, type Template } from "../write/template.ts";
import { type BudgetOptions, PageBudget } from "./budget.ts";
import { settle } from "./collisions.ts";
import { type Conflict, type Contender, Draft, type PageColumn, type Shape } from "./contenders.ts";
import { type Declaration, declare } from "./declarations.ts";
import { isOpenMetricsPoint } from "./openmetrics_points.ts";
import { TextSizes } from "./text_size.ts";

export interface PageOptions {
  /** Put before every family's name, with an underscore; empty for none. */
  readonly namespace: string;
  readonly labels: IdentityLabels;
  /** What its reader takes; anything if left out. */
  readonly budget?: BudgetOptions;
  /** Hears what had to be changed so that the page is valid; called while a page is composed or written. */
  onConflict(conflict: Conflict): void;
}

/** A name with its HELP and TYPE, and all that goes under it. */
export interface Section {
  readonly name: string;
  readonly declaration: Declaration;
  readonly help: string;
  /** In the order in which the families were first seen, which is stable. */
  readonly parts: readonly Part[];
}

export interface Part {
  readonly family: Family;
  readonly columns: readonly PageColumn[];
}

/** What one pull shows: the readings of one moment. */
export interface Page {
  readonly format: PageFormat;
  /** In order of names. */
  readonly sections: readonly Section[];
  /** The labels of all resources, one behind the other. */
  readonly suffixes: DataView;
  readonly onConflict: (conflict: Conflict) => void;
}

export interface ComposeOptions {
  readonly format: PageFormat;
  /** Beginnings of the names of the families that are wanted; all are where this is absent. */
  readonly prefixes?: readonly string[] | undefined;
}

/** Composes pages of readings; remembers what keeps a page like the one before it. */
export class PageComposer {
  readonly #options: PageOptions;
  readonly #identities: Identities;
  readonly #names = new WeakMap<Family, string>();
  readonly #budget: PageBudget | undefined;
  /** What the last page of each format showed: on a conflict it has the better right. */
  readonly #shown: Record<PageFormat, ReadonlyMap<string, Shape>> = {
    text: new Map(),
    openmetrics: new Map(),
  };

  constructor(options: PageOptions) {
    this.#options = options;
    this.#identities = new Identities(options.labels);
    this.#budget =
      options.budget &&
      new PageBudget(options.budget, {
        sizes: new TextSizes((family) => this.#nameOf(family)),
        identityOf: (resource) => this.#identities.of(resource),
      });
  }

  /** Takes the measure of a reading that pages will show, so that their making need not. */
  note(reading: Reading): void {
    this.#budget?.note(reading);
  }

  /** A page of these readings, of which no two may be of one resource. */
  compose(readings: readonly Reading[], { format, prefixes }: ComposeOptions): Page {
    const { onConflict } = this.#options;
    const isWanted = (name: string): boolean => prefixes?.some((prefix) => name.startsWith(prefix)) ?? true;
    const draft = new Draft({ nameOf: (family) => this.#nameOf(family), isWanted, onConflict });
    const templates: Template[] = [];
    let suffixStart = 0;
    const onUnsound = (families: readonly Family[]): void => {
      for (const name of families.map((family) => this.#nameOf(family)))
        if (isWanted(name)) onConflict({ reason: "value", name });
    };
    // By the whole page, also where only a part of it is wanted: the same sandboxes are cut on every page.
    for (const whole of this.#budget?.fit(readings) ?? readings) {
      const reading = format === "text" ? whole : soundPart(whole, onUnsound, isOpenMetricsPoint);
      const identity = this.#identities.of(reading.resource);
      draft.add({ identity, reading, suffixStart });
      templates.push(identity.template);
      suffixStart += identity.template.length;
    }
    const winners = settle(draft.finish(), { format, shown: this.#shown[format], onConflict });
    if (prefixes === undefined)
      this.#shown[format] = new Map(winners.map(({ name, shape }) => [name, shape]));
    return { format, sections: toSections(winners, format), suffixes: joinTemplates(templates), onConflict };
  }

  #nameOf(family: Family): string {
    const known = this.#names.get(family);
    if (known !== undefined) return known;
    const { namespace } = this.#options;
    const name = toMetricName(namespace === "" ? family.name : `${namespace}_${family.name}`);
    this.#names.set(family, name);
    return name;
  }
}

function toSections(winners: readonly Contender[], format: PageFormat): Section[] {
  const declarations = declare(winners, format);
  return winners.map(({ name, families }, index) => {
    const parts = [...families]
      .map(([family, columns]) => ({ family, columns }))
      .sort((a, b) => a.family.id - b.family.id);
    const help = parts.find(({ family }) => family.help !== "")?.family.help ?? "";
    return { name, declaration: declarations[index] as Declaration, help, parts };
  });
}
