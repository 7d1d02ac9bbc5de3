// SPDX-License-Identifier: Apache-2.0
import { Interner } from "../../src/metrics/interner.ts";
import { PageParser } from "../../src/prometheus/parse/page_parser.ts";
import { defaultParseLimits } from "../../src/prometheus/parse/parse_limits.ts";
import type { ParsedPage } from "../../src/prometheus/parse/parsed_page.ts";
import { createPage } from "../../src/simulator/pages.ts";
import type { SampleRow } from "./main.ts";
import { type NaiveSample, naiveParse } from "./naive_parse.ts";

const SANDBOXES = 250;
/** The number of scrapes of each sandbox that are rendered in advance, with shuffled blocks and changing values. */
const SCRAPES = 3;
const ROUNDS = 40;

/** The pages of a node's sandboxes, scrape by scrape. */
interface Traffic {
  readonly scrapes: readonly (readonly Buffer[])[];
  readonly samples: number;
  readonly bytes: number;
}

function renderTraffic(): Traffic {
  const pages = Array.from({ length: SANDBOXES }, (_, seed) => createPage({ flavor: "go", seed }));
  const scrapes = Array.from({ length: SCRAPES }, () => pages.map((page) => page.render()));
  return {
    scrapes,
    samples: pages.reduce((sum, page) => sum + page.samples, 0),
    bytes: scrapes.flat().reduce((sum, page) => sum + page.length, 0) / SCRAPES,
  };
}

/** Returns the median time of `scrape` for the pages of all sandboxes. The results are kept, as in an agent. */
function measure(name: string, traffic: Traffic, scrape: (page: Buffer, sandbox: number) => void): SampleRow {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS + SCRAPES; round++) {
    const pages = traffic.scrapes[round % SCRAPES] ?? [];
    const start = performance.now();
    for (const [sandbox, page] of pages.entries()) scrape(page, sandbox);
    if (round >= SCRAPES) times.push(performance.now() - start);
  }
  const ms = times.sort((a, b) => a - b)[ROUNDS >> 1] ?? Number.NaN;
  return { name, nsPerSample: (ms * 1e6) / traffic.samples, mbPerS: traffic.bytes / 1e3 / ms };
}

/** Measures the parsing of full-size Go pages with shuffled blocks: the agent's parser, and one with an object per sample. */
export function benchParse(): readonly SampleRow[] {
  const traffic = renderTraffic();
  const parser = new PageParser({
    interner: new Interner(),
    limits: defaultParseLimits,
  });
  const sources = Array.from({ length: SANDBOXES }, () => parser.source([]));
  const kept: ParsedPage[] = [];
  const ours = measure("rows of numbers", traffic, (page, sandbox) => {
    const source = sources[sandbox];
    if (source !== undefined) kept[sandbox] = source.parse(page, page.length);
  });
  const objects: NaiveSample[][] = [];
  const naive = measure("an object per sample", traffic, (page, sandbox) => {
    objects[sandbox] = naiveParse(page);
  });
  return [ours, naive];
}
