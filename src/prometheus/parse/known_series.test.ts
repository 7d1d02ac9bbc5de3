// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { Interner } from "../../metrics/interner.ts";
import type { Kind } from "../../metrics/model.ts";
import { KnownSeries } from "./known_series.ts";
import { PageParser } from "./page_parser.ts";
import type { PageSource } from "./page_source.ts";
import { defaultParseLimits } from "./parse_limits.ts";
import type { ParsedPage } from "./parsed_page.ts";

const interner = new Interner();

function family(
  name: string,
  items: readonly string[],
  kind: Kind = "gauge",
  boundTexts: readonly string[] = [],
) {
  const points = items.map((value) => ({
    attributes: [{ key: "item", value }],
    bounds: boundTexts.map(Number),
    boundTexts,
  }));
  return interner.family({ name, kind, unit: "", help: "", points });
}

test("what came first stays, in whatever variant and order it comes again", () => {
  const series = new KnownSeries(5);
  assert.equal(series.admit(family("a", ["1", "2", "3"])), undefined);
  assert.equal(series.admit(family("b", ["1"])), undefined);
  assert.equal(series.count, 4);
  assert.deepEqual(
    series.admit(family("a", ["9", "3", "8", "1"])),
    [0, 1, 3],
    "one of the new ones had room",
  );
  assert.deepEqual(series.admit(family("a", ["9", "3", "8", "1"])), [0, 1, 3]);
  assert.equal(series.admit(family("a", ["9", "1"])), undefined);
  assert.deepEqual(series.admit(family("c", ["1"])), []);
  assert.equal(series.admit(family("b", ["1"])), undefined);
  assert.equal(series.count, 5);
});

test("a histogram has a series for each of its lines", () => {
  const series = new KnownSeries(10);
  assert.equal(series.admit(family("h", ["a"], "histogram", ["1", "2"])), undefined);
  assert.equal(series.count, 5);
  assert.deepEqual(series.admit(family("h", ["a", "b", "c"], "histogram", ["1", "2"])), [0, 1]);
  assert.equal(series.count, 10);
});

test("long labels are remembered as hashes", () => {
  const series = new KnownSeries(10);
  const long = (item: string) => family("a", [item.padEnd(5_000, "x")]);
  assert.equal(series.admit(long("1")), undefined);
  assert.equal(series.admit(long("1")), undefined);
  assert.equal(series.count, 1);
  assert.equal(series.admit(long("2")), undefined);
  assert.equal(series.count, 2);
});

function parse(source: PageSource, text: string): ParsedPage {
  return source.parse(Buffer.from(`${text}\0`), text.length);
}

test("a page's new series beyond the limit are left out, counted and named; the numbers of the others are theirs", () => {
  const parser = new PageParser({ interner, limits: { ...defaultParseLimits, seriesMax: 4 } });
  const source = parser.source([]);
  const numbers = ({ schema, values }: ParsedPage): Record<string, number> => {
    const found: Record<string, number> = {};
    let column = 0;
    for (const { name, points } of schema.families)
      for (const { attributes } of points)
        found[`${name} ${attributes.map(({ value }) => value).join()}`] = values[column++] ?? Number.NaN;
    return found;
  };
  const first = parse(source, '# TYPE a gauge\na{i="1"} 1\na{i="2"} 2\n# TYPE z gauge\nz 9\n');
  assert.deepEqual([first.samples, first.skippedLines, first.limits.size], [3, 0, 0]);
  // More than once: the first time its layout is new, then it is known.
  for (let scrape = 0; scrape < 3; scrape++) {
    const page = parse(
      source,
      `# TYPE b gauge\nb 5\n# TYPE a gauge\na{i="3"} 3\na{i="2"} 2${scrape}\na{i="4"} 4\na{i="1"} 1\n# TYPE z gauge\nz 9\n`,
    );
    assert.deepEqual(numbers(page), { "a 1": 1, "a 2": 20 + scrape, "b ": 5, "z ": 9 });
    assert.deepEqual(
      [page.samples, page.skippedLines, page.badLines, [...page.limits]],
      [4, 2, 0, ["series"]],
    );
    assert.equal(page.firstFault?.line, 3);
    assert.equal(page.schema.width, page.values.length);
  }
});

test("a name without a series that may stay is not remembered, however many there are", () => {
  const series = new KnownSeries(3);
  series.admit(family("a", ["1", "2", "3"]));
  const before = series.nameCount;
  for (let i = 0; i < 1_000; i++) assert.deepEqual(series.admit(family(`new_${i}`, ["1", "2"])), []);
  assert.equal(series.nameCount, before);
  assert.deepEqual([series.admit(family("a", ["3", "4"])), series.nameCount], [[0], before]);
});
