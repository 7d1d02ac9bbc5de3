// SPDX-License-Identifier: Apache-2.0
import type { FamilySpec, Interner } from "../../metrics/interner.ts";
import type { Family } from "../../metrics/model.ts";
import { WeakValues } from "../../metrics/weak_values.ts";
import { childSuffixes } from "../series/suffixes.ts";

/** The mark of a series name: the number of the page on which a family took the name last. */
export interface NameMark {
  page: number;
}

/** A family, and its place on the last page that had it. */
export interface FamilyRecord {
  readonly family: Family;
  /** The marks of the names of its series. Families that share a name share its mark. */
  readonly names: readonly NameMark[];
  /** The number of the last page that had it, and the column of its first number in the scratch array of that page. */
  page: number;
  offset: number;
  /** The position of its first byte on that page. */
  start: number;
}

/** Gives each family its record. A record lives as long as its family. */
export class FamilyRecords {
  readonly #interner: Interner;
  readonly #records = new WeakMap<Family, FamilyRecord>();
  readonly #marks = new WeakValues<NameMark>();

  constructor(interner: Interner) {
    this.#interner = interner;
  }

  intern(spec: FamilySpec): FamilyRecord {
    return this.of(this.#interner.family(spec));
  }

  of(family: Family): FamilyRecord {
    const known = this.#records.get(family);
    if (known !== undefined) return known;
    const names = ["", ...childSuffixes(family.kind)].map((suffix) => this.#mark(family.name + suffix));
    const record: FamilyRecord = { family, names, page: 0, offset: 0, start: 0 };
    this.#records.set(family, record);
    return record;
  }

  /** Whether a family of that page has taken this series name. */
  isOnPage(name: string, page: number): boolean {
    return this.#marks.get(name)?.page === page;
  }

  #mark(name: string): NameMark {
    const known = this.#marks.get(name);
    if (known !== undefined) return known;
    const mark = { page: 0 };
    this.#marks.set(name, mark);
    return mark;
  }
}
