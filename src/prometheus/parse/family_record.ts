// SPDX-License-Identifier: Apache-2.0
import type { FamilySpec, Interner } from "../../metrics/interner.ts";
import type { Family } from "../../metrics/model.ts";
import { WeakValues } from "../../metrics/weak_values.ts";
import { childSuffixes } from "../series/suffixes.ts";

/**
 * The mark of a series name: the number of the last page on which a family had the name; 0 if none had it. It shows
 * that two families of one page have the same name, without a set of names for each page.
 */
export interface NameMark {
  page: number;
}

/** A family, and its place on the last page that had it. */
export interface FamilyRecord {
  readonly family: Family;
  /** One mark for each name that the family's series can have. Families with a series name in common share its mark. */
  readonly names: readonly NameMark[];
  /**
   * The number of the last page that had the family; 0 if none had it, or if it was dropped from that page as forged.
   */
  page: number;
  /** The column of the family's first number in the scratch array of the page numbered `page`. */
  offset: number;
  /** The position of the family's first byte on the page numbered `page`. */
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

  /** Whether a family on the page with this number has a series of this name. */
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
