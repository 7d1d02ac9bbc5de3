// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- parse. Indices are in range by construction, which `as` tells the compiler.

import { type Point, pointWidth } from "../../metrics/model.ts";
import type { FamilyRecord, NameMark } from "./family_record.ts";
import type { Kept, KnownSeries } from "./known_series.ts";
import type { LeftOutLines } from "./left_out_lines.ts";
import type { ParserState } from "./parser_state.ts";
import { type FamilyOrigin, FORGED, type PageTrust, ShimPart, type Untrusted } from "./trust.ts";

/** A family of the current page that seems to be the shim's. A later family of the page may show that it is forged. */
interface ShimFamily {
  readonly record: FamilyRecord;
  readonly start: number;
  readonly samples: number;
}

/** A family of the current page, and its name there, which the agent may replace by another one. */
export interface MetFamily {
  readonly record: FamilyRecord;
  readonly name: string;
}

/** The families that one page has brought so far. Their numbers are in the parser's scratch array. */
export class FoundFamilies {
  /** The families, in the order of the page. */
  records: FamilyRecord[] = [];
  /** The number of columns of the scratch array that are in use. */
  width = 0;
  /** The number of sample lines whose numbers belong to `records`. */
  samples = 0;
  readonly #state: ParserState;
  readonly #leftOut: LeftOutLines;
  readonly #originOf: (record: FamilyRecord) => FamilyOrigin | Untrusted;
  readonly #shimPart: ShimPart;
  #shimFamilies: ShimFamily[] = [];

  /**
   * `ownNames` are the names of the families that the agent itself adds to each reading. A family of the page with one
   * of these names is left out.
   */
  constructor(
    state: ParserState,
    options: {
      readonly trust: PageTrust;
      readonly ownNames: readonly NameMark[];
      readonly leftOut: LeftOutLines;
    },
  ) {
    const { trust, ownNames, leftOut } = options;
    this.#state = state;
    this.#leftOut = leftOut;
    this.#originOf = state.originsOf(trust);
    this.#shimPart = new ShimPart(trust);
    for (const name of ownNames) name.page = state.page;
  }

  /**
   * Adds the family whose numbers are in the scratch array from column `width` on. Returns false if it is left out,
   * because a page cannot define the family, the guest has forged it, or the page has it already. The next family then
   * overwrites its numbers.
   */
  take({ record, name }: MetFamily, start: number, samples: number): boolean {
    const origin = this.#originOf(record);
    if (typeof origin !== "string") return this.#leaveOut(start, origin.reason, samples);
    const verdict = this.#shimPart.meet(origin, name);
    if (verdict === "restarted") this.#dropShimFamilies();
    if (verdict === "forged") return this.#leaveOut(start, FORGED, samples);
    const { page } = this.#state;
    const { names } = record;
    for (let i = 0; i < names.length; i++)
      if ((names[i] as NameMark).page === page)
        return this.#leaveOut(start, "family twice in one page", samples);
    for (let i = 0; i < names.length; i++) (names[i] as NameMark).page = page;
    record.page = page;
    record.offset = this.width;
    record.start = start;
    this.width += record.family.width;
    this.samples += samples;
    this.records.push(record);
    if (origin === "shim" && this.#shimPart.isLast) this.#shimFamilies.push({ record, start, samples });
    return true;
  }

  #leaveOut(position: number, reason: string, samples: number): false {
    this.#leftOut.addBad({ position, reason }, samples);
    return false;
  }

  /**
   * Must be called when a part of the page is skipped. If the shim's part is the last one, the skipped lines may have
   * shown that the families found so far are forged. So those that seemed to be the shim's are dropped.
   */
  noteGap(): void {
    if (this.#shimPart.isLast) this.#dropShimFamilies();
  }

  #dropShimFamilies(): void {
    const dropped = new Set<FamilyRecord>();
    for (const { record, start, samples } of this.#shimFamilies) {
      dropped.add(record);
      record.page = 0;
      for (const name of record.names) name.page = 0;
      this.samples -= samples;
      this.#leaveOut(start, FORGED, samples);
    }
    this.records = this.records.filter((record) => !dropped.has(record));
    this.#shimFamilies = [];
  }

  /**
   * Leaves out new series beyond the limit on the source's distinct series. Series that the source has brought before
   * stay.
   */
  limitSeries(known: KnownSeries): void {
    this.records = this.records.flatMap((record) => {
      const kept = known.admit(record.family);
      return kept === undefined ? [record] : this.#withPoints(record, kept);
    });
  }

  /**
   * Returns a record of the family with only the points at the indices `kept`; no record if there are none. The numbers
   * of these points are copied to the end of the scratch array.
   */
  #withPoints({ family, offset, start, page }: FamilyRecord, kept: Kept): FamilyRecord[] {
    const { kind, points } = family;
    const columns: number[] = [];
    let column = offset;
    let next = 0;
    for (const [index, point] of points.entries()) {
      const end = column + pointWidth(kind, point.bounds.length);
      const isKept = kept[next] === index;
      if (isKept) next++;
      while (column < end) {
        if (isKept) columns.push(column);
        column++;
      }
    }
    const lost = family.width - columns.length;
    this.samples -= lost;
    const reason = "series beyond those that one sandbox can bring";
    this.#leftOut.addSkipped("series", { position: start, reason }, lost);
    if (columns.length === 0) return [];
    const scratch = this.#state.scratch(this.width + columns.length);
    const record = this.#state.records.intern({
      ...family,
      points: kept.map((index) => points[index] as Point),
    });
    record.page = page;
    record.offset = this.width;
    for (const from of columns) scratch[this.width++] = scratch[from] as number;
    return [record];
  }
}
