// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostileMakers, type PageMaker } from "../../../test/kit/kata/page_makers.ts";
import { Interner } from "../../metrics/interner.ts";
import { PageParser } from "./page_parser.ts";
import { defaultParseLimits, type ParseLimits } from "./parse_limits.ts";
import type { ParsedPage } from "./parsed_page.ts";

const MIB = 1_024 ** 2;
const { lineBytesMax, newBytesMax, blocksMax } = defaultParseLimits;

/** The work of parsing a page, counted and not timed. */
interface Work {
  readonly slowBytes: number;
  readonly slowBlocks: number;
  readonly triedBytes: number;
}

/** Parses the maker's pages, of one source, each in a minute of its own. */
function parseAll(make: PageMaker, scrapes: number, limits: Partial<ParseLimits> = {}) {
  const parser = new PageParser({ interner: new Interner(), limits: { ...defaultParseLimits, ...limits } });
  const source = parser.source([]);
  return Array.from({ length: scrapes }, (_, scrape): { page: ParsedPage; work: Work; bytes: number } => {
    const text = make(scrape);
    const { slowBytes, slowBlocks, triedBytes } = parser;
    const page = source.parse(Buffer.concat([text, Buffer.alloc(16)]), text.length);
    parser.nextMinute();
    const work = {
      slowBytes: parser.slowBytes - slowBytes,
      slowBlocks: parser.slowBlocks - slowBlocks,
      triedBytes: parser.triedBytes - triedBytes,
    };
    return { page, work, bytes: text.length };
  });
}

for (const [kind, make] of Object.entries(hostileMakers(MIB))) {
  test(`the work for a page of a hostile kind is bounded: ${kind}`, () => {
    for (const { work, bytes } of parseAll(make, 3)) {
      assert.ok(work.slowBytes < newBytesMax + lineBytesMax, `${work.slowBytes} bytes are lexed`);
      assert.ok(work.slowBlocks <= blocksMax, `${work.slowBlocks} blocks are lexed`);
      // Each byte is compared with the layout at its place and the one of its name, and a limited number with others.
      const tried = 3 * bytes + 256 * 1_024;
      assert.ok(work.triedBytes <= tried, `${work.triedBytes} bytes are compared in vain`);
    }
  });
}

test("variants that differ at their end are compared in vain up to a limit, and read all the same", () => {
  const rows = Array.from({ length: 200 }, (_, i) => `a{i="${i}"} 1\n`).join("");
  const variants = (scrape: number): Buffer => Buffer.from(`# TYPE a gauge\n${rows}a{i="x${scrape}"} 1\n`);
  const many = (scrape: number): Buffer =>
    scrape < 16 ? variants(scrape) : Buffer.concat(Array.from({ length: 40 }, (_, i) => variants(100 + i)));
  const { page, work } = parseAll(many, 17, { badLinesMax: 100_000 }).at(-1) ?? assert.fail();
  const once = variants(100).length;
  assert.ok(work.triedBytes > 256 * 1_024, "the limit is reached");
  assert.ok(work.triedBytes < 256 * 1_024 + 40 * 2 * once, `${work.triedBytes} bytes are compared in vain`);
  assert.equal(page.samples, 201);
  assert.equal(page.badLines, 39 * 201, "the family again and again");
});

test("of a page that is all new, as much is lexed as the limit allows, and the rest with the next pages", () => {
  const families = Array.from(
    { length: 20 },
    (_, i) => `# TYPE f${10 + i} gauge\nf${10 + i} ${10 + i}\n`,
  ).join("");
  const pages = parseAll(() => Buffer.from(families), 6, { newBytesMax: 100 });
  assert.deepEqual(
    pages.map(({ page }) => [page.samples, page.skippedLines, [...page.limits].join()]),
    [
      [4, 16, "new_bytes"],
      [8, 12, "new_bytes"],
      [12, 8, "new_bytes"],
      [16, 4, "new_bytes"],
      [20, 0, ""],
      [20, 0, ""],
    ],
  );
  assert.equal(pages.at(-1)?.work.slowBytes, 0);
});
