// SPDX-License-Identifier: Apache-2.0
import type { ShimKind } from "../../../kata/known_families.ts";
import type { Interner } from "../../../metrics/interner.ts";
import type { Schema } from "../../../metrics/model.ts";
import { lineAt } from "../../../prometheus/parse/line.ts";
import { PageParser } from "../../../prometheus/parse/page_parser.ts";
import type { PageSource } from "../../../prometheus/parse/page_source.ts";
import type { ParseLimits } from "../../../prometheus/parse/parse_limits.ts";
import type { ParsedPage } from "../../../prometheus/parse/parsed_page.ts";
import type { PageTrust } from "../../../prometheus/parse/trust.ts";
import type { Sandbox, SandboxFacts } from "../sandbox/sandbox.ts";
import type { BodyLimit } from "../scraping/http_response.ts";
import type { ScrapeOutcome } from "../scraping/scrape.ts";
import { defineFamily, labelFaults, trustOf, trustOfCut } from "./families.ts";
import { OwnFamilies, type ShownCondition } from "./own_families.ts";
import { wholeLines } from "./shim_page.ts";

/**
 * The condition of a sandbox that answers and has no complaint. It only decides which of the agent's own families a
 * reading has, so its times do not matter.
 */
const UP: ShownCondition = {
  state: "up",
  code: "",
  since: { unixMs: 0, monotonicMs: 0 },
  nextScrape: undefined,
};

/** Reads the pages of all sandboxes: parses them by the rules of trust, and puts the agent's own families in front. */
export class Pages {
  readonly own: OwnFamilies;
  readonly #parser: PageParser;
  readonly #trusts: Readonly<Record<ShimKind, PageTrust>>;
  /** The rules for pages that were cut, so that their end is missing. */
  readonly #trustsOfCut: Readonly<Record<ShimKind, PageTrust>>;

  constructor(options: {
    readonly interner: Interner;
    readonly limits: ParseLimits;
    readonly shimFamilies: readonly string[];
    readonly guestLabels: readonly string[];
  }) {
    const { interner, limits, shimFamilies, guestLabels } = options;
    this.own = new OwnFamilies(interner);
    this.#parser = new PageParser({
      interner,
      limits,
      define: defineFamily,
      labelFault: labelFaults(guestLabels),
    });
    const trustsBy = (trust: (shim: ShimKind) => PageTrust): Record<ShimKind, PageTrust> => ({
      go: trust("go"),
      rs: trust("rs"),
      "rs-dragonball": trust("rs-dragonball"),
    });
    this.#trusts = trustsBy((shim) => trustOf(shim, shimFamilies));
    this.#trustsOfCut = trustsBy((shim) => trustOfCut(this.#trusts[shim]));
  }

  /** Returns the parser of the pages of one more sandbox. */
  source(): PageSource {
    return this.#parser.source([]);
  }

  /**
   * Parses an answer. The row of numbers begins with columns for the agent's own families; `facts` says which families
   * these are.
   */
  read(sandbox: Sandbox, answer: ScrapeOutcome & { ok: true }, facts: SandboxFacts): ParsedPage {
    const { page, length, whole, limit } = answer;
    const { source, condition } = sandbox;
    // The page may change the sandbox's condition, but hardly ever the number of the agent's own families. If it does,
    // `columns` moves the numbers.
    source.beginWith(this.own.shape(condition.state === "up" ? condition : UP, facts).families);
    const usable = whole ? length : wholeLines(page, length);
    const trusts = limit === undefined ? this.#trusts : this.#trustsOfCut;
    const read = source.parse(page, usable, trusts[sandbox.shim ?? "rs"]);
    if (limit !== undefined) return withRestLeftOut(read, limit, lineAt(page, usable));
    // If the last line was cut off, it was not parsed, and counts as a bad line.
    return usable === length ? read : { ...read, badLines: read.badLines + 1 };
  }

  /**
   * Returns the schema and the numbers of the page that was read last. They begin with columns for the agent's own
   * families in the sandbox's new condition, `ownPoints` in number.
   */
  columns(
    { source, condition }: Sandbox,
    { schema: before, values }: ParsedPage,
    facts: SandboxFacts,
  ): { readonly schema: Schema; readonly values: Float64Array; readonly ownPoints: number } {
    const { families, pointCount: ownPoints } = this.own.shape(condition, facts);
    const schema = source.beginWith(families);
    const wider = schema.width - before.width;
    return { schema, values: wider === 0 ? values : widened(values, wider), ownPoints };
  }

  /** Begins the next round of scrapes. To be called once per collection interval. */
  nextRound(): void {
    this.#parser.nextRound();
  }

  /** Begins the next minute: each sandbox may bring new layouts again. To be called once per minute. */
  nextMinute(): void {
    this.#parser.nextMinute();
  }
}

/** Returns the page with one skipped line more: the rest from `line` on, which was not read, counts as one. */
function withRestLeftOut(page: ParsedPage, limit: BodyLimit, line: number): ParsedPage {
  const reason = `page is longer than limits::${limit}`;
  return {
    ...page,
    skippedLines: page.skippedLines + 1,
    limits: new Set(page.limits).add(limit),
    reasons: new Map(page.reasons).set(reason, 1),
    firstFault: page.firstFault ?? { line, reason },
  };
}

/**
 * Returns the numbers with `by` more columns in front of the page's own. A negative `by` removes columns, as when the
 * page before exceeded more limits than this one.
 */
function widened(values: Float64Array, by: number): Float64Array {
  const wider = new Float64Array(values.length + by);
  wider.set(by > 0 ? values : values.subarray(-by), Math.max(0, by));
  return wider;
}
