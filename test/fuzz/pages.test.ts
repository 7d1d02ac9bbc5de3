// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Interner } from "../../src/metrics/interner.ts";
import { PageParser } from "../../src/prometheus/parse/page_parser.ts";
import type { PageSource } from "../../src/prometheus/parse/page_source.ts";
import { defaultParseLimits, type ParseLimits } from "../../src/prometheus/parse/parse_limits.ts";
import type { ParsedPage } from "../../src/prometheus/parse/parsed_page.ts";
import { createPage } from "../../src/simulator/pages.ts";
import { seededRandom } from "../../src/simulator/random.ts";
import { mutate } from "./mutate.ts";

/** For a longer run: FUZZ_ROUNDS=100000 FUZZ_SEED=$RANDOM node --test test/fuzz/pages.test.ts */
const SEED = Number(process.env["FUZZ_SEED"] ?? 1);
const ROUNDS = Number(process.env["FUZZ_ROUNDS"] ?? 600);

const LIMITS: ParseLimits = {
  ...defaultParseLimits,
  lineBytesMax: 400,
  samplesMax: 800,
  badLinesMax: 60,
  layoutBytesMax: 2_000_000,
  layoutBytesPerSourceMax: 600_000,
};
/** Bytes after the page in its buffer, which must not be read as part of it. */
const BEHIND = Buffer.from('9\n# TYPE behind gauge\nbehind{a="x"} 1\n');

function newParser(interner = new Interner()): PageParser {
  return new PageParser({
    interner,
    limits: LIMITS,
    define: (name, kind) => ({
      name: name.replace(/^go_/, "kata_shim_go_"),
      kind,
      help: undefined,
      hasWrongKind: false,
    }),
  });
}

function parse(source: PageSource, text: Buffer): ParsedPage {
  const bytes = Buffer.concat([text, BEHIND]);
  const page = source.parse(bytes, text.length);
  assert.ok(bytes.subarray(0, text.length).equals(text), "the page itself is not written");
  assert.ok(bytes.subarray(text.length + 1).equals(BEHIND.subarray(1)), "only one byte behind it is");
  return page;
}

/** Returns the page's contents without what depends on the order in which families were first seen. */
function contents(page: ParsedPage): unknown {
  const { schema, values, ...rest } = page;
  const families = schema.families.map(({ id: _, ...family }, index) => {
    const offset = schema.offsets[index] ?? Number.NaN;
    return { ...family, numbers: [...values.subarray(offset, offset + family.width)] };
  });
  return { ...rest, families: families.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

function checkSound(page: ParsedPage, text: Buffer): void {
  assert.equal(page.values.length, page.schema.width);
  const names = page.schema.families.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length, "each family is there once");
  const lines = text.toString("latin1").split("\n").length;
  const counted = page.samples + page.badLines + page.skippedLines;
  assert.ok(counted <= lines, `${counted} lines counted of ${lines}`);
  assert.ok(page.samples <= LIMITS.samplesMax);
  assert.equal(
    page.firstFault === undefined,
    page.badLines + page.skippedLines === 0,
    "a fault for each count",
  );
  assert.ok(page.firstFault === undefined || page.firstFault.line <= lines);
}

function corpus(): readonly Buffer[] {
  const small = createPage({ flavor: "go", seed: SEED, disks: 1, guestInterfaces: 1, shimInterfaces: 1 });
  const rust = createPage({ flavor: "rs", seed: SEED, disks: 1, guestInterfaces: 1 });
  const odd = '# HELP é ☃\n# TYPE m gauge\nm{d="/mnt/é",x="\\"\\\\"} 1\na 1\nb 2 1700000000000\r\n';
  return [...[1, 2, 3].flatMap(() => [small.render(), rust.render()]), Buffer.from(odd)];
}

test("no page breaks the parser, and the layouts of earlier pages do not change a result", (t) => {
  t.diagnostic(`FUZZ_SEED=${SEED}`);
  const random = seededRandom(SEED);
  const pages = corpus();
  const veteran = newParser();
  const sources = [veteran.source([]), veteran.source([]), veteran.source([])];
  for (let round = 0; round < ROUNDS; round++) {
    veteran.nextMinute();
    const text = mutate(pages[round % pages.length] ?? Buffer.alloc(0), random);
    const fresh = newParser().source([]);
    const first = parse(fresh, text);
    const where = `FUZZ_SEED=${SEED}, round ${round}`;
    checkSound(first, text);
    const want = contents(first);
    const again = parse(fresh, text);
    assert.deepEqual(contents(again), want, `${where}: a second time`);
    assert.equal(again.schema, first.schema);
    const source = sources[round % sources.length] ?? fresh;
    assert.deepEqual(contents(parse(source, text)), want, `${where}: with a history`);
    assert.ok(veteran.layoutBytes <= LIMITS.layoutBytesMax);
    if (round % 20 === 0) veteran.nextRound();
  }
  for (let round = 0; round < 20; round++) veteran.nextRound();
  assert.equal(veteran.layoutCount, 0, "everything is forgotten in the end");
});

const name = fc.stringMatching(/^[a-z_:][a-z0-9_:]{0,20}$/);
const labelName = fc.stringMatching(/^[a-z_][a-z0-9_]{0,8}$/).filter((key) => !key.startsWith("__"));
const labelValue = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
const labels = fc.uniqueArray(fc.tuple(labelName, labelValue), { maxLength: 4, selector: ([key]) => key });
const family = fc.record({
  name,
  type: fc.constantFrom("gauge", "counter", "untyped"),
  help: fc.string({ unit: "grapheme", maxLength: 30 }),
  points: fc.uniqueArray(fc.tuple(labels, fc.double()), {
    minLength: 1,
    maxLength: 6,
    selector: ([pairs]) => JSON.stringify(pairs.toSorted()),
  }),
});
const families = fc.uniqueArray(family, { maxLength: 8, selector: (one) => one.name });
type Written = typeof families extends fc.Arbitrary<infer T> ? T : never;

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function write(page: Written): string {
  const number = (value: number) => String(value).replace("Infinity", "Inf");
  return page
    .map(({ name, type, help, points }) => {
      const lines = points.map(([pairs, value]) => {
        const inner = pairs
          .map(([key, text]) => `${key}="${escaped(text).replaceAll('"', '\\"')}"`)
          .join(",");
        return `${name}{${inner}} ${number(value)}\n`;
      });
      return `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n${lines.join("")}`;
    })
    .join("");
}

test("the parser reads what was written, in any order of the blocks", () => {
  const kinds: Readonly<Record<string, string>> = { gauge: "gauge", counter: "sum", untyped: "unknown" };
  fc.assert(
    fc.property(families, (page) => {
      const parser = new PageParser({
        interner: new Interner(),
        limits: defaultParseLimits,
      });
      const source = parser.source([]);
      for (const order of [page, page.toReversed(), page]) {
        const got = parse(source, Buffer.from(write(order)));
        assert.deepEqual([got.badLines, got.skippedLines], [0, 0], got.firstFault?.reason);
        for (const { name, type, help, points } of order) {
          const index = got.schema.families.findIndex((candidate) => candidate.name === name);
          const read = got.schema.families[index];
          assert.equal(read?.kind, kinds[type]);
          assert.equal(read?.help, help.replace(/^[ \t]+/, ""));
          const attributes = points.map(([pairs]) => pairs.map(([key, value]) => ({ key, value })));
          assert.deepEqual(
            read?.points.map((point) => point.attributes),
            attributes,
          );
          const offset = got.schema.offsets[index] ?? Number.NaN;
          const numbers = [...got.values.subarray(offset, offset + points.length)];
          assert.deepEqual(
            numbers,
            points.map(([, value]) => (value === 0 ? 0 : value)),
          );
        }
      }
    }),
    { seed: SEED, numRuns: 200 },
  );
});
