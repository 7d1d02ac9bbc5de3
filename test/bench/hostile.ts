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

/** The time that pages of a kind take, of one sandbox whose limits count for minutes of four scrapes. */
export interface HostileRow {
  readonly page: string;
  /** Of the page as the guest sends it. */
  readonly KB: string;
  /** Of one page, in the mean. Nothing else runs meanwhile. */
  readonly "ms/page": string;
  /** Of the page that took longest. */
  readonly "worst ms": string;
  /** Samples taken, and lines left out, of the last page; lines beyond `body_bytes` are not counted. */
  readonly samples: number;
  readonly "left out": number;
  /** Layouts that are remembered in the end, of at most `layouts_per_sandbox`. */
  readonly layouts: number;
}

const SCRAPES = 20;
/** At a scrape every 15 seconds. */
const SCRAPES_PER_MINUTE = 4;
/** Scrapes in which the code is still warming up, and what is remembered fills. */
const WARM_UP = 8;
/** The same pages are read so often; the shortest time of each counts, so that other processes do not. */
const RUNS = 3;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** The receiver's defaults. */
const { limits } = factory.schema.parse({});

/** Costs of pages that a hostile guest may send, beside an honest one, each cut at `body_bytes` as the receiver does. */
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
    // Making the page left garbage that is not the parser's.
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
