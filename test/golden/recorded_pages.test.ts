// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { Interner } from "../../src/metrics/interner.ts";
import { type Family, type Point, pointWidth } from "../../src/metrics/model.ts";
import { PageParser } from "../../src/prometheus/parse/page_parser.ts";
import { defaultParseLimits } from "../../src/prometheus/parse/parse_limits.ts";
import type { ParsedPage } from "../../src/prometheus/parse/parsed_page.ts";
import { defineFamily, trustOf } from "../../src/receivers/kata/pages/families.ts";

/** Pages recorded from real shims; they are not part of the project. */
const PAGES = join(import.meta.dirname, "../../../shared/pages");
const skip = existsSync(PAGES) ? false : "the recorded pages are not here";
/** This page was recorded while the guest hung, and ends in the middle of a line. */
const CUT = "go-noagent-hung-timeout10.prom";

/** Reads every series of a page and its value, with one regular expression for each line. */
function oracle(text: string): Map<string, number> {
  const series = new Map<string, number>();
  for (const [, name = "", labels = "", value = ""] of text.matchAll(/^([a-z_]\w*)(?:\{(.*)\})? (\S+)$/gm)) {
    const key = `${name}{${labels}}`;
    assert.ok(!series.has(key), `${key} twice`);
    series.set(key, Number(value.replace("+Inf", "Infinity")));
  }
  return series;
}

/** Writes the series of a parsed page as the shim wrote them. */
function seriesOf({ schema, values }: ParsedPage): Map<string, number> {
  const series = new Map<string, number>();
  let column = 0;
  const set = (name: string, labels: readonly string[]) => {
    series.set(`${name}{${labels.join(",")}}`, values[column++] ?? Number.NaN);
  };
  for (const family of schema.families) for (const point of family.points) setPoint(family, point, set);
  assert.equal(column, schema.width);
  return series;
}

function setPoint({ name, kind }: Family, point: Point, set: (name: string, labels: string[]) => void): void {
  const labels = point.attributes.map(({ key, value }) => `${key}="${value}"`);
  if (pointWidth(kind, 1) === 1) {
    set(name, labels);
    return;
  }
  const [bound, suffix] = kind === "histogram" ? ["le", "_bucket"] : ["quantile", ""];
  for (const text of point.boundTexts) set(name + suffix, [...labels, `${bound}="${text}"`]);
  if (kind === "histogram") set(name + suffix, [...labels, 'le="+Inf"']);
  set(`${name}_sum`, labels);
  set(`${name}_count`, labels);
}

function parse(parser: PageParser, file: string): ParsedPage {
  const bytes = readFileSync(join(PAGES, file));
  return parser.source([]).parse(Buffer.concat([bytes, Buffer.alloc(16)]), bytes.length);
}

function newParser(): PageParser {
  return new PageParser({ interner: new Interner(), limits: defaultParseLimits });
}

test("the parser finds the same series in recorded pages as a regular expression", { skip }, () => {
  const files = globSync("*.prom", { cwd: PAGES }).map((path) => basename(path));
  assert.ok(files.length > 10);
  const shared = newParser();
  for (const file of files) {
    const want = oracle(readFileSync(join(PAGES, file), "utf8"));
    for (const parser of [newParser(), shared, shared]) {
      const page = parse(parser, file);
      if (file === CUT) {
        assert.equal(page.unterminated, true);
        assert.ok(page.badLines <= 13, "at most the histogram that was cut");
        continue;
      }
      assert.equal(page.firstFault, undefined, file);
      assert.equal(page.unterminated, false, file);
      assert.equal(page.samples, want.size, file);
      assert.deepEqual(seriesOf(page), want, file);
    }
  }
});

test("a recorded shim's second page needs no lexing where its shape is the same", { skip }, () => {
  const pairs: [string, string, number][] = [
    ["go_full_1.prom", "go_full_2.prom", 0],
    ["rs_full_1.prom", "rs_full_2.prom", 0],
    ["go-small-1.prom", "go-small-2.prom", 1],
    ["go-large-1.prom", "go-large-2.prom", 1],
  ];
  for (const [first, second, slow] of pairs) {
    const parser = newParser();
    parse(parser, first);
    const before = parser.slowBlocks;
    parse(parser, second);
    assert.equal(parser.slowBlocks - before, slow, second);
  }
});

test("the agent takes nothing on recorded pages for a guest's forgery", { skip }, () => {
  for (const file of globSync("{go,rs}*.prom", { cwd: PAGES }).filter((one) => one !== CUT)) {
    const bytes = readFileSync(join(PAGES, file));
    const parser = new PageParser({
      interner: new Interner(),
      limits: defaultParseLimits,
      define: defineFamily,
    });
    const trust = trustOf(file.startsWith("rs") ? "rs-dragonball" : "go", []);
    const page = parser.source([]).parse(Buffer.concat([bytes, Buffer.alloc(16)]), bytes.length, trust);
    assert.deepEqual([...page.reasons], [], file);
  }
});
