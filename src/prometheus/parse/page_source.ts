// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- parse. Indices are in range by construction, which `as` tells the compiler.

import type { Family, Schema } from "../../metrics/model.ts";
import type { FamilyRecord, NameMark } from "./family_record.ts";
import { Charged, type LayoutOwner } from "./known_layouts.ts";
import { KnownSeries } from "./known_series.ts";
import { LexedInMinute } from "./lexed_in_minute.ts";
import { lineAt } from "./line.ts";
import { type BlockLayouts, PageRun } from "./page_run.ts";
import type { ParsedPage } from "./parsed_page.ts";
import type { ParserState } from "./parser_state.ts";
import { type PageTrust, TRUST_ALL } from "./trust.ts";

const LF = 10;

/** A sandbox, or another author of pages that are parsed again and again. `PageParser.source` makes one. */
export interface PageSource {
  /**
   * Parses a page of `length` bytes at the start of `page`. It never throws, and keeps nothing of `page`. `page` must
   * be at least one byte longer than the page, for a line feed if the page lacks it at its end.
   */
  parse(page: Uint8Array, length: number, trust?: PageTrust): ParsedPage;
  /**
   * Sets the families with which readings begin from now on. Returns the schema of the last reading with these families
   * at its start. The numbers of the last reading fit this schema if the new families have as many columns as the old
   * ones.
   */
  beginWith(ownFamilies: readonly Family[]): Schema;
}

/** Creates a source whose readings begin with `ownFamilies`. */
export function createPageSource(state: ParserState, ownFamilies: readonly Family[]): PageSource {
  return new Source(state, ownFamilies);
}

class Source implements PageSource, LayoutOwner {
  /** The layouts that count towards this source's limits. */
  readonly charged: Charged = new Charged();
  readonly #state: ParserState;
  readonly #series: KnownSeries;
  readonly #lexed = new LexedInMinute();
  #ownFamilies: readonly Family[] = [];
  #ownNames: readonly NameMark[] = [];
  #ownWidth = 0;
  /** The families of the last page, in order of their ids. */
  #records: readonly FamilyRecord[] = [];
  /** The schema of the last reading: `#ownFamilies`, and then the families of `#records`. */
  #schema: Schema;
  #layouts: BlockLayouts = [];

  constructor(state: ParserState, ownFamilies: readonly Family[]) {
    this.#state = state;
    this.#series = new KnownSeries(state.limits.seriesMax);
    this.#schema = state.interner.schema([]);
    this.beginWith(ownFamilies);
  }

  beginWith(ownFamilies: readonly Family[]): Schema {
    if (ownFamilies === this.#ownFamilies) return this.#schema;
    const { records } = this.#state;
    this.#ownFamilies = ownFamilies;
    this.#ownNames = ownFamilies.flatMap((family) => records.of(family).names);
    this.#ownWidth = ownFamilies.reduce((width, family) => width + family.width, 0);
    this.#schema = this.#schemaOf(this.#records);
    return this.#schema;
  }

  parse({ buffer, byteOffset, byteLength }: Uint8Array, length: number, trust = TRUST_ALL): ParsedPage {
    const bytes = Buffer.from(buffer, byteOffset, byteLength);
    const unterminated = length > 0 && bytes[length - 1] !== LF;
    if (unterminated) bytes[length] = LF;
    const end = unterminated ? length + 1 : length;
    const run = this.#read(bytes, end, trust);
    const { families, leftOut } = run;
    if (!this.#isLastPage(families.records)) {
      families.limitSeries(this.#series);
      this.#records = families.records.toSorted((a, b) => a.family.id - b.family.id);
      this.#schema = this.#schemaOf(this.#records);
    }
    const { bad, skipped, limits, reasons, first } = leftOut;
    return {
      schema: this.#schema,
      values: this.#values(families.width),
      samples: families.samples,
      badLines: bad,
      skippedLines: skipped,
      limits,
      reasons,
      firstFault: first && { line: lineAt(bytes, first.position), reason: first.reason },
      unterminated,
    };
  }

  #read(bytes: Buffer, end: number, trust: PageTrust): PageRun {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const run = new PageRun(
      this.#state,
      { bytes, view, end },
      { trust, ownNames: this.#ownNames, previous: this.#layouts, owner: this, lexed: this.#lexed },
    );
    run.read();
    this.#layouts = run.layouts;
    return run;
  }

  #schemaOf(records: readonly FamilyRecord[]): Schema {
    const families = records.map((record) => record.family);
    return this.#state.interner.schema([...this.#ownFamilies, ...families]);
  }

  /** Whether the families that were found on the current page are those of the last page. */
  #isLastPage(found: readonly FamilyRecord[]): boolean {
    const records = this.#records;
    if (records.length !== found.length) return false;
    const { page } = this.#state;
    for (let i = 0; i < records.length; i++) if ((records[i] as FamilyRecord).page !== page) return false;
    return true;
  }

  /** Copies the page's numbers from the first `width` columns of the scratch array, in the order of the schema. */
  #values(width: number): Float64Array {
    const values = new Float64Array(this.#schema.width);
    const scratch = this.#state.scratch(width);
    const records = this.#records;
    let column = this.#ownWidth;
    for (let i = 0; i < records.length; i++) {
      const { offset, family } = records[i] as FamilyRecord;
      const end = offset + family.width;
      for (let at = offset; at < end; at++) values[column++] = scratch[at] as number;
    }
    return values;
  }
}
