import type { Family, Kind, Reading } from "../metrics/model.ts";
import { joinTemplates, type Template } from "./write_copy.ts";
import { type Conflict, type Contender, Draft, type PageColumn, type Shape } from "./write_draft.ts";
import { Identities, type IdentityLabels } from "./write_identity.ts";
import { toMetricName } from "./write_names.ts";
import { linesOf, settle } from "./write_settle.ts";

export interface PageOptions {
  /** Put before every family's name, with an underscore; empty for none. */
  readonly namespace: string;
  readonly labels: IdentityLabels;
  /** Hears what had to be changed so that the page is valid; called while a page is composed or written. */
  onConflict(conflict: Conflict): void;
}

/** A name with its HELP and TYPE, and all that goes under it. */
export interface Section {
  readonly name: string;
  readonly kind: Kind;
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
  /** In order of names. */
  readonly sections: readonly Section[];
  /** What sections and their lines are called. */
  readonly names: ReadonlySet<string>;
  /** The labels of all resources, one behind the other. */
  readonly suffixes: DataView;
  readonly onConflict: (conflict: Conflict) => void;
}

/** Composes pages of readings; remembers what keeps a page like the one before it. */
export class PageComposer {
  readonly #options: PageOptions;
  readonly #identities: Identities;
  readonly #names = new WeakMap<Family, string>();
  /** What the last page showed: on a conflict it has the better right. */
  #shown: ReadonlyMap<string, Shape> = new Map();

  constructor(options: PageOptions) {
    this.#options = options;
    this.#identities = new Identities(options.labels);
  }

  /** A page of these readings, of which no two may be of one resource; of families that begin so, if `prefixes` are given. */
  compose(readings: Iterable<Reading>, prefixes?: readonly string[]): Page {
    const { onConflict } = this.#options;
    const isWanted = (name: string): boolean => prefixes?.some((prefix) => name.startsWith(prefix)) ?? true;
    const draft = new Draft({ nameOf: (family) => this.#nameOf(family), isWanted, onConflict });
    const templates: Template[] = [];
    let suffixStart = 0;
    for (const reading of readings) {
      const identity = this.#identities.of(reading.resource);
      draft.add({ identity, reading, suffixStart });
      templates.push(identity.template);
      suffixStart += identity.template.length;
    }
    const winners = settle(draft.finish(), this.#shown, onConflict);
    if (prefixes === undefined) this.#shown = new Map(winners.map(({ name, shape }) => [name, shape]));
    const names = new Set(winners.flatMap((winner) => [winner.name, ...linesOf(winner)]));
    return { sections: winners.map(toSection), names, suffixes: joinTemplates(templates), onConflict };
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

function toSection(contender: Contender): Section {
  const parts = [...contender.families]
    .map(([family, columns]) => ({ family, columns }))
    .sort((a, b) => a.family.id - b.family.id);
  return {
    name: contender.name,
    // Of families that differ in kind, and whose lines look alike, the first that was seen has the word.
    kind: parts[0]?.family.kind ?? contender.shape,
    help: parts.find(({ family }) => family.help !== "")?.family.help ?? "",
    parts,
  };
}
