import type { Interner } from "../../metrics/interner.ts";
import { type Page, PageParser, type PageSource, type ParseLimits } from "../../prometheus/parse.ts";
import type { PageTrust } from "../../prometheus/trust.ts";
import { defineFamily, IDENTITY_LABELS, type ShimKind, trustOf } from "./families.ts";
import { OwnFamilies } from "./own_families.ts";
import type { Sandbox } from "./sandbox.ts";
import type { ScrapeOutcome } from "./scrape.ts";
import { wholeLines } from "./shim_page.ts";

/** Reads the pages of all sandboxes: who may define which family, and which families stand in front. */
export class Pages {
  readonly own: OwnFamilies;
  readonly #parser: PageParser;
  readonly #trusts: Readonly<Record<ShimKind, PageTrust>>;

  constructor(options: {
    readonly interner: Interner;
    readonly limits: ParseLimits;
    readonly shimFamilies: readonly string[];
  }) {
    const { interner, limits, shimFamilies } = options;
    this.own = new OwnFamilies(interner);
    this.#parser = new PageParser({
      interner,
      limits,
      define: defineFamily,
      reservedLabels: IDENTITY_LABELS,
    });
    this.#trusts = {
      go: trustOf("go", shimFamilies),
      rs: trustOf("rs", shimFamilies),
      "rs-dragonball": trustOf("rs-dragonball", shimFamilies),
    };
  }

  /** What parses the pages of one more sandbox. */
  source(): PageSource {
    return this.#parser.source(this.own.families);
  }

  read(sandbox: Sandbox, answer: ScrapeOutcome & { ok: true }): Page {
    const { page, length, whole } = answer;
    const usable = whole ? length : wholeLines(page, length);
    const read = sandbox.source.parse(page, usable, this.#trusts[sandbox.shim ?? "rs"]);
    // The line that was cut off is lost.
    return usable === length ? read : { ...read, badLines: read.badLines + 1 };
  }

  /** Begins the next round, once per collection interval. */
  nextRound(): void {
    this.#parser.nextRound();
  }

  /** Begins the next minute: each sandbox may bring new layouts again. */
  nextMinute(): void {
    this.#parser.nextMinute();
  }
}
