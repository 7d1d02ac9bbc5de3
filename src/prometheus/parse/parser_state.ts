// SPDX-License-Identifier: Apache-2.0
import type { Interner } from "../../metrics/interner.ts";
import { memoized } from "../../metrics/memoized.ts";
import type { Kind } from "../../metrics/model.ts";
import { type FamilyRecord, FamilyRecords } from "./family_record.ts";
import { KnownLayouts } from "./known_layouts.ts";
import type { LineRules } from "./line.ts";
import type { ParseLimits } from "./parse_limits.ts";
import type { FamilyOrigin, PageTrust, Untrusted } from "./trust.ts";

/** The agent's own definition of a family that is on a page. */
export interface FamilyDefinition {
  readonly name: string;
  /** The agent's kind of the family. It differs from the page's kind only if both kinds are scalar. */
  readonly kind: Kind;
  /** The agent's HELP of the family; undefined if the page's own HELP is used. */
  readonly help: string | undefined;
  /** Whether the page's TYPE is counted as a bad line, since it is not the one that the agent knows. */
  readonly hasWrongKind: boolean;
}

/** Options of a parser, for all of its sources. */
export interface ParserOptions {
  readonly interner: Interner;
  readonly limits: ParseLimits;
  /**
   * Returns the agent's definition of the family that has this name and kind on a page. Without this function, each
   * family is defined as on its page.
   */
  define?(name: string, kind: Kind): FamilyDefinition;
  /** Returns why a page's samples of this metric cannot have this label; undefined if they can. */
  labelFault?(name: string, label: string): string | undefined;
}

/** The state that all sources of a parser share, since only one page is parsed at a time. */
export class ParserState {
  readonly interner: Interner;
  readonly limits: ParseLimits;
  readonly lineRules: LineRules;
  readonly layouts: KnownLayouts;
  readonly records: FamilyRecords;
  /** Returns, for a page's rules, a function that says who wrote a family. It asks the rules once for each family. */
  readonly originsOf: (trust: PageTrust) => (record: FamilyRecord) => FamilyOrigin | Untrusted = memoized(
    (trust) => memoized(({ family }: FamilyRecord) => trust.originOf(family.name, family.kind)),
  );
  /**
   * The number of the current page, counted over all sources. So no mark of an earlier page is taken for one of this
   * page.
   */
  page = 0;
  /** The number of the current minute. `PageParser.nextMinute` adds one. */
  minute = 0;
  /**
   * Counts since the start: blocks and bytes that were lexed, and bytes that were compared with layouts that did not
   * fit.
   */
  readonly work: { slowBlocks: number; slowBytes: number; triedBytes: number } = {
    slowBlocks: 0,
    slowBytes: 0,
    triedBytes: 0,
  };
  readonly #options: ParserOptions;
  #scratch = new Float64Array(4_096);

  constructor(options: ParserOptions) {
    const { interner, limits } = options;
    this.#options = options;
    this.interner = interner;
    this.limits = limits;
    this.lineRules = { ...limits, labelFault: (name, label) => options.labelFault?.(name, label) };
    this.layouts = new KnownLayouts(limits);
    this.records = new FamilyRecords(interner);
  }

  define(name: string, kind: Kind): FamilyDefinition {
    return this.#options.define?.(name, kind) ?? { name, kind, help: undefined, hasWrongKind: false };
  }

  /**
   * The numbers of the current page, in the order of the page, with room for `length` of them. Each call may return
   * another array, which has the numbers of the last one.
   */
  scratch(length: number): Float64Array {
    if (this.#scratch.length < length) {
      const larger = new Float64Array(length * 2);
      larger.set(this.#scratch);
      this.#scratch = larger;
    }
    return this.#scratch;
  }
}
