import { Interner } from "../../src/metrics/interner.ts";
import { defaultParseLimits, PageParser } from "../../src/prometheus/parse.ts";
import { defineFamily, labelFaults, trustOf } from "../../src/receivers/kata/families.ts";
import { floodPiece, HOSTILE_LINES, newFamilies } from "../../src/simulator/bad_pages.ts";
import { createPage } from "../../src/simulator/pages.ts";

/** What reading one page of a kind costs, once its sandbox has been scraped for a while. */
export interface HostileRow {
  readonly page: string;
  readonly KB: string;
  /** Mean CPU of one page, at a scrape every 15 seconds. */
  readonly "ms/page": string;
  readonly "× honest": string;
  /** Samples taken, and lines left out, of the last page. */
  readonly samples: number;
  readonly "left out": number;
  /** Layouts that are remembered in the end, of at most `layouts_per_sandbox`. */
  readonly layouts: number;
}

const SCRAPES = 60;
/** Of a scrape every 15 seconds. */
const SCRAPES_PER_MINUTE = 4;

type NextPage = (scrape: number) => Buffer;

/** Costs of pages that a hostile guest may send, beside an honest one, at the default limits. */
export function benchHostile(): readonly HostileRow[] {
  const honest = createPage({ flavor: "go", seed: 1 });
  const behind = (lines: (scrape: number) => Buffer): NextPage => {
    return (scrape) => Buffer.concat([honest.render(), lines(scrape)]);
  };
  const many = (scrape: number, count: number): Buffer =>
    Buffer.concat(Array.from({ length: count }, (_, part) => newFamilies(scrape * 1_000 + part)));
  const pages: readonly (readonly [string, NextPage])[] = [
    ["honest", () => honest.render()],
    ["forged identity and names", behind(() => HOSTILE_LINES)],
    ["50 new families each time", behind(newFamilies)],
    ["900 new families each time", behind((scrape) => many(scrape, 18))],
    ["5,000 new families each time", behind((scrape) => many(scrape, 100))],
    [
      "200,000 series of one family",
      behind(() => Buffer.concat(Array.from({ length: 200 }, (_, at) => floodPiece(at * 1_000)))),
    ],
    ["1 MB of bad lines", behind(() => Buffer.alloc(1_000_000, "kata_guest_x{{{ 1\n"))],
    ["4 MB in one line", behind(() => Buffer.alloc(4_000_000, "x"))],
  ];
  const rows: (Omit<HostileRow, "× honest"> & { readonly ms: number })[] = pages.map(measure);
  const honestMs = rows[0]?.ms ?? Number.NaN;
  return rows.map(({ page, KB, ms, samples, layouts, ...rest }) => ({
    page,
    KB,
    "ms/page": ms.toFixed(2),
    "× honest": (ms / honestMs).toFixed(1),
    samples,
    "left out": rest["left out"],
    layouts,
  }));
}

function measure([page, next]: readonly [string, NextPage]) {
  const parser = new PageParser({
    interner: new Interner(),
    limits: defaultParseLimits,
    define: defineFamily,
    labelFault: labelFaults([]),
  });
  const source = parser.source([]);
  const trust = trustOf("go", []);
  const times: number[] = [];
  let last = { samples: 0, leftOut: 0, bytes: 0 };
  for (let scrape = 0; scrape < SCRAPES; scrape++) {
    const text = next(scrape);
    const bytes = Buffer.concat([text, Buffer.alloc(16)]);
    const start = process.cpuUsage();
    const { samples, badLines, skippedLines } = source.parse(bytes, text.length, trust);
    const { user, system } = process.cpuUsage(start);
    parser.nextRound();
    if (scrape % SCRAPES_PER_MINUTE === 0) parser.nextMinute();
    // The first half warms up the code and fills what is remembered.
    if (scrape >= SCRAPES / 2) times.push((user + system) / 1_000);
    last = { samples, leftOut: badLines + skippedLines, bytes: text.length };
  }
  const ms = times.reduce((sum, time) => sum + time, 0) / times.length;
  const KB = (last.bytes / 1_000).toFixed(0);
  return {
    page,
    KB,
    ms,
    samples: last.samples,
    "left out": last.leftOut,
    layouts: parser.layoutCount,
    "ms/page": "",
  };
}
