// SPDX-License-Identifier: Apache-2.0
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Interner } from "../../src/metrics/interner.ts";
import { PageParser } from "../../src/prometheus/parse/page_parser.ts";
import { factory } from "../../src/receivers/kata/factory.ts";
import { defineFamily, labelFaults, trustOf } from "../../src/receivers/kata/pages/families.ts";
import { wholeLines } from "../../src/receivers/kata/pages/shim_page.ts";
import { HOSTILE_LINES, newFamilies } from "../../src/simulator/bad_pages.ts";
import { createPage } from "../../src/simulator/pages.ts";
import { hostileMakers, type PageMaker } from "../kit/kata/page_makers.ts";

/** The time to parse pages of one kind, of a sandbox that is scraped four times a minute. */
export interface HostileRow {
  readonly page: string;
  /** The size of the page as the guest sends it. */
  readonly KB: string;
  /** The mean time for one page, in which nothing else runs. */
  readonly "ms/page": string;
  /** The time for the slowest page. */
  readonly "worst ms": string;
  /** The samples of the last page. Lines beyond `body_bytes` count neither here nor as left out. */
  readonly samples: number;
  readonly "left out": number;
  /** The number of layouts that are remembered in the end, of at most `layouts_per_sandbox`. */
  readonly layouts: number;
}

const SCRAPES = 20;
/** The number for a scrape every 15 seconds. */
const SCRAPES_PER_MINUTE = 4;
/** The first scrapes, in which code is compiled and layouts are learnt, do not count. */
const WARM_UP = 8;
/** The same pages are parsed this often. The shortest time of each counts, which other processes disturb least. */
const RUNS = 3;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** The receiver's defaults. */
const { limits } = factory.schema.parse({});

/** Measures pages that a hostile guest may send, and an honest one, each cut at `body_bytes` as the receiver does. */
export function benchHostile(): readonly HostileRow[] {
  const honest = createPage({ flavor: "go", seed: 1 });
  const behind = (lines: PageMaker): PageMaker => {
    return (scrape) => Buffer.concat([honest.render(), lines(scrape)]);
  };
  const pages: readonly (readonly [string, PageMaker])[] = [
    ["honest", () => honest.render()],
    ["forged identity and names", behind(() => HOSTILE_LINES)],
    ["50 new families each time", behind(newFamilies)],
    ...Object.entries(hostileMakers()),
  ];
  return pages.map(measure);
}

function measure([page, next]: readonly [string, PageMaker]): HostileRow {
  const runs = Array.from({ length: RUNS }, newRun);
  const times: number[] = [];
  let last = { samples: 0, leftOut: 0, bytes: 0 };
  for (let scrape = 0; scrape < SCRAPES; scrape++) {
    const text = next(scrape);
    const bytes = Buffer.concat([text, Buffer.alloc(16)]);
    const usable = text.length > limits.bodyBytesMax ? wholeLines(bytes, limits.bodyBytesMax) : text.length;
    // The garbage from making the page must not be collected while the parser is measured.
    collectGarbage();
    const took = runs.map(({ parser, source, trust }) => {
      if (scrape % SCRAPES_PER_MINUTE === 0) parser.nextMinute();
      const start = performance.now();
      const { samples, badLines, skippedLines } = source.parse(bytes, usable, trust);
      const ms = performance.now() - start;
      parser.nextRound();
      last = { samples, leftOut: badLines + skippedLines, bytes: text.length };
      return ms;
    });
    if (scrape >= WARM_UP) times.push(Math.min(...took));
  }
  return {
    page,
    KB: (last.bytes / 1_000).toFixed(0),
    "ms/page": (times.reduce((sum, ms) => sum + ms, 0) / times.length).toFixed(2),
    "worst ms": Math.max(...times).toFixed(2),
    samples: last.samples,
    "left out": last.leftOut,
    layouts: runs[0]?.parser.layoutCount ?? 0,
  };
}

function newRun() {
  const parser = new PageParser({
    interner: new Interner(),
    limits,
    define: defineFamily,
    labelFault: labelFaults([]),
  });
  return { parser, source: parser.source([]), trust: trustOf("go", []) };
}
