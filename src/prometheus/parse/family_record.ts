// SPDX-License-Identifier: Apache-2.0
import type { FamilySpec, Interner } from "../../metrics/interner.ts";
import type { Family } from "../../metrics/model.ts";
import { WeakValues } from "../../metrics/weak_values.ts";
import { childSuffixes } from "../series/suffixes.ts";

/** A series name, and the page on which a family took it last. */
export interface NameMark {
  page: number;
}

/** A family as the parser meets it, page after page. */
export interface FamilyRecord {
  readonly family: Family;
  /** The names of its series. Records of families that share a name share its mark. */
  readonly names: readonly NameMark[];
  /** The page on which it stood last, and where in that page's scratch its numbers begin. */
  page: number;
  offset: number;
  /** Where it begins on that page, in bytes. */
  start: number;
}

/** Has the record of each family. It lives as long as somebody holds the family. */
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

  /** Whether a family of that page has series of this name. */
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
