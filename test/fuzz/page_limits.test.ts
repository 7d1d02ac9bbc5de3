// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Interner } from "../../src/metrics/interner.ts";
import { PageParser } from "../../src/prometheus/parse/page_parser.ts";
import { defaultParseLimits, type ParseLimits } from "../../src/prometheus/parse/parse_limits.ts";
import type { ParsedPage } from "../../src/prometheus/parse/parsed_page.ts";
import { createPage } from "../../src/simulator/pages.ts";

const SEED = Number(process.env["FUZZ_SEED"] ?? 1);

/** Limits that are so small that pages of a few lines reach each of them. */
const LIMITS: ParseLimits = {
  ...defaultParseLimits,
  lineBytesMax: 120,
  nameBytesMax: 8,
  labelsMax: 2,
  labelValueBytesMax: 6,
  blocksMax: 12,
  samplesMax: 20,
  badLinesMax: 40,
  newBytesMax: 350,
  newLayoutsPerMinuteMax: 20,
  newSamplesPerMinuteMax: 32,
};

const name = fc.stringMatching(/^[a-e][a-e_]{0,9}$/);
const value = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 8 }),
  fc.stringMatching(/^[\\"n☃é]{0,14}$/),
  fc.constant("x".repeat(150)),
);
const pair = fc.tuple(name, value, fc.boolean()).map(([key, text, isEscaped]) => {
  const escaped = text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  return `${key}="${isEscaped ? escaped : text.replaceAll("\n", "")}"`;
});
function run(count: number, one: (index: number) => string): string {
  return Array.from({ length: count }, (_, i) => one(i)).join("\n");
}

const line = fc.oneof(
  fc
    .tuple(name, fc.array(pair, { maxLength: 5 }), fc.double())
    .map(([family, pairs, number]) => `${family}{${pairs.join(",")}} ${number}`),
  fc.tuple(name, fc.integer()).map(([family, number]) => `${family} ${number}`),
  fc
    .tuple(name, fc.constantFrom("gauge", "counter", "histogram", "summary", "info"))
    .map(([family, kind]) => `# TYPE ${family} ${kind}`),
  name.map((family) => `# HELP ${family} x\\\\n\\`),
  name.map(
    (family) =>
      `# TYPE ${family} histogram\n${family}_bucket{le="+Inf"} 1\n${family}_sum 1\n${family}_count 1`,
  ),
  fc.integer({ min: 1, max: 30 }).map((count) => run(count, (i) => `a{b="${i}"} 1`)),
  fc.integer({ min: 1, max: 16 }).map((count) => run(count, (i) => `f${i} 1`)),
  fc.constantFrom('a{a="",b="",c=""} 1', "", "# comment", "}{", "  ", "\r"),
);

/** Lines that a parser without limits would accept, and lines that no parser accepts. */
function tellingLines(text: string): number {
  return text.split("\n").filter((one) => one.trim() !== "" && !one.trimStart().startsWith("#")).length;
}

function checkWithin({ schema, samples }: ParsedPage, limits: ParseLimits): void {
  const { samplesMax, labelsMax, nameBytesMax, labelValueBytesMax } = limits;
  assert.ok(samples <= samplesMax);
  assert.ok(schema.width <= samplesMax);
  for (const family of schema.families) {
    assert.ok(Buffer.byteLength(family.name) <= nameBytesMax, family.name);
    for (const { attributes, bounds } of family.points) {
      assert.ok(attributes.length + (bounds.length > 0 ? 1 : 0) <= labelsMax);
      for (const label of attributes) {
        assert.ok(Buffer.byteLength(label.key) <= nameBytesMax, label.key);
        assert.ok(Buffer.byteLength(label.value) <= labelValueBytesMax, label.value);
      }
    }
  }
}

test("the reading of any page is within every limit, and each line that is left out is counted", (t) => {
  t.diagnostic(`FUZZ_SEED=${SEED}`);
  const reached = new Set<string>();
  fc.assert(
    fc.property(fc.array(fc.array(line, { maxLength: 60 }), { maxLength: 4 }), (pages) => {
      const parser = new PageParser({ interner: new Interner(), limits: LIMITS });
      const source = parser.source([]);
      for (const text of [...pages, ...pages].map((one) => `${one.join("\n")}\n`)) {
        const bytes = Buffer.from(text);
        const { slowBytes } = parser;
        const page = source.parse(Buffer.concat([bytes, Buffer.alloc(16)]), bytes.length);
        checkWithin(page, LIMITS);
        assert.ok(parser.slowBytes - slowBytes < LIMITS.newBytesMax + LIMITS.lineBytesMax);
        const counted = page.samples + page.badLines + page.skippedLines;
        const lines = tellingLines(text);
        assert.ok(counted >= lines, `${counted} of ${lines} lines are accounted for`);
        assert.equal(page.limits.size > 0, page.skippedLines > 0, "each limit that cost a line is named");
        for (const limit of page.limits) reached.add(limit);
      }
    }),
    { seed: SEED, numRuns: 600 },
  );
  assert.deepEqual([...reached].sort(), [
    "bad_lines",
    "blocks",
    "label_value_bytes",
    "labels",
    "line_bytes",
    "name_bytes",
    "new_bytes",
    "new_layouts_per_minute",
    "new_samples_per_minute",
    "samples",
  ]);
});

test("an honest page of the largest kind loses nothing at the default limits", () => {
  for (const flavor of ["go", "rs"] as const) {
    const page = createPage({ flavor, seed: SEED, disks: 41, guestInterfaces: 8, shimInterfaces: 8 });
    const text = page.render();
    const parser = new PageParser({ interner: new Interner(), limits: defaultParseLimits });
    const { samples, badLines, skippedLines, limits } = parser
      .source([])
      .parse(Buffer.concat([text, Buffer.alloc(16)]), text.length);
    assert.deepEqual(
      { samples, badLines, skippedLines, limits: [...limits] },
      { samples: page.samples, badLines: 0, skippedLines: 0, limits: [] },
    );
    assert.ok(samples * 1.5 < defaultParseLimits.samplesMax, `${samples} samples leave room`);
    assert.ok(text.length * 1.9 < defaultParseLimits.newBytesMax, `${text.length} bytes leave room`);
  }
});
