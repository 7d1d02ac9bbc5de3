// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { Interner } from "../../metrics/interner.ts";
import { createPage, type SimulatedPageOptions } from "../../simulator/pages.ts";
import { PageParser } from "./page_parser.ts";
import type { PageSource } from "./page_source.ts";
import { defaultParseLimits, type ParseLimits } from "./parse_limits.ts";
import type { ParsedPage } from "./parsed_page.ts";

function newParser(limits: Partial<ParseLimits> = {}): PageParser {
  return new PageParser({
    interner: new Interner(),
    limits: { ...defaultParseLimits, ...limits },
  });
}

function parse(source: PageSource, text: string | Buffer): ParsedPage {
  const page = Buffer.concat([Buffer.from(text), Buffer.alloc(16)]);
  return source.parse(page, page.length - 16);
}

/** Blocks that were lexed while `work` ran. */
function lexed(parser: PageParser, work: () => void): number {
  const before = parser.slowBlocks;
  work();
  return parser.slowBlocks - before;
}

function family(name: string, items: readonly string[]): string {
  return `# TYPE ${name} gauge\n${items.map((item) => `${name}{item="${item}"} 1\n`).join("")}`;
}

test("a page is lexed once, whatever its blocks' order and its numbers", () => {
  for (const flavor of ["go", "rs"] as const) {
    const parser = newParser();
    const shim = createPage({ flavor, seed: 1, disks: 3 });
    const source = parser.source([]);
    const first = parse(source, shim.render());
    assert.equal(first.samples, shim.samples);
    for (let scrape = 0; scrape < 5; scrape++) {
      const slow = lexed(parser, () => {
        const page = parse(source, shim.render());
        assert.equal(page.schema, first.schema);
        assert.equal(page.samples, shim.samples);
      });
      assert.equal(slow, 0, flavor);
    }
  }
});

test("sandboxes share what their pages have in common", () => {
  const parser = newParser();
  const shape: Omit<SimulatedPageOptions, "seed"> = { flavor: "go", disks: 2 };
  const first = parse(parser.source([]), createPage({ ...shape, seed: 1 }).render());
  let second: ParsedPage | undefined;
  const slow = lexed(parser, () => {
    second = parse(parser.source([]), createPage({ ...shape, seed: 2 }).render());
  });
  assert.equal(slow, 0);
  assert.equal(second?.schema, first.schema);
  const another = lexed(parser, () => {
    parse(parser.source([]), createPage({ ...shape, disks: 4, seed: 3 }).render());
  });
  assert.equal(another, 1, "only the disks differ");
});

test("a block that has grown is lexed once more, also by one line at its end", () => {
  const parser = newParser();
  const source = parser.source([]);
  for (const items of [["a"], ["a", "b"], ["a", "b", "c"], ["a"], ["a", "b"]]) {
    for (const rest of ["", "# TYPE other gauge\nother 1\n"]) {
      const page = parse(source, family("up", items) + rest);
      assert.equal(page.schema.families.find(({ name }) => name === "up")?.points.length, items.length);
      assert.equal(page.badLines, 0);
    }
  }
  assert.equal(parser.slowBlocks, 4, "three shapes and the other family");
});

test("families that come and go do not disturb the others", () => {
  const parser = newParser();
  const source = parser.source([]);
  const [a, b, c] = ["a", "b", "c"].map((name) => family(name, ["x"])) as [string, string, string];
  const whole = parse(source, a + b + c);
  assert.equal(parse(source, a + c).schema.width, 2);
  assert.equal(parse(source, c + b + a).schema, whole.schema);
  assert.equal(parser.slowBlocks, 3);
});

test("blank lines and comments between blocks do not make them new", () => {
  const parser = newParser();
  const source = parser.source([]);
  parse(source, family("a", ["x"]) + family("b", ["x"]));
  const slow = lexed(parser, () => {
    parse(source, `# scrape 17\n${family("a", ["x"])}\n# more\r\n${family("b", ["x"])}# EOF\n`);
  });
  assert.equal(slow, 0);
});

test("short names and texts that are not ASCII are known again", () => {
  const parser = newParser();
  const source = parser.source([]);
  const text = `a 1\n${family("up", ["é☃", "\0"])}# HELP x é\nx 1\nx{a="b"} 2\n`;
  const first = parse(source, text);
  const slow = lexed(parser, () => assert.deepEqual(parse(source, text).values, first.values));
  assert.equal(slow, 0);
});

test("layouts are forgotten some rounds after the last page that shows them", () => {
  const parser = newParser();
  const source = parser.source([]);
  parse(source, family("a", ["x"]) + family("b", ["x"]));
  for (let round = 0; round < 20; round++) {
    parser.nextRound();
    parse(source, family("a", ["x"]));
  }
  assert.equal(parser.layoutCount, 1);
  assert.equal(
    lexed(parser, () => parse(source, family("a", ["x"]) + family("b", ["x"]))),
    1,
  );
});

test("a source that comes again after a long time is known, and no family is there twice", () => {
  const interner = new Interner();
  const parser = new PageParser({ interner, limits: defaultParseLimits });
  const source = parser.source([]);
  const text = family("a", ["x"]);
  const before = parse(source, text);
  for (let round = 0; round < 20; round++) parser.nextRound();
  assert.equal(parser.layoutCount, 0);
  assert.equal(parser.layoutBytes, 0);
  const other = parse(parser.source([]), text);
  const after = parse(source, text + text);
  assert.equal(after.schema, before.schema);
  assert.equal(other.schema, before.schema);
  assert.equal(after.badLines, 1);
});

test("a source that invents layouts is bounded and harms no other", () => {
  const parser = newParser({ layoutBytesPerSourceMax: 20_000 });
  const hostile = parser.source([]);
  const honest = parser.source([]);
  const good = family("good", ["x", "y"]);
  for (let scrape = 0; scrape < 100; scrape++) {
    const page = parse(hostile, family(`bad_${scrape}`, ["x"]) + family("good", [`z${scrape}`]));
    assert.equal(page.samples, 2);
    assert.ok(parser.layoutBytes < 25_000, `${parser.layoutBytes} bytes`);
    const slow = lexed(parser, () => assert.equal(parse(honest, good).samples, 2));
    assert.equal(slow, scrape === 0 ? 1 : 0);
    parser.nextRound();
  }
});

test("the layouts of all sources together are bounded, and pages are read all the same", () => {
  const parser = newParser({ layoutBytesMax: 20_000 });
  for (let sandbox = 0; sandbox < 100; sandbox++) {
    const source = parser.source([]);
    for (let scrape = 0; scrape < 2; scrape++) {
      assert.equal(parse(source, family(`family_${sandbox}`, ["x"])).samples, 1);
    }
  }
  assert.ok(parser.layoutBytes <= 20_000 && parser.layoutCount > 5);
  for (let round = 0; round < 20; round++) parser.nextRound();
  assert.equal(parser.layoutBytes, 0);
});

test("more variants of a block than are tried are still kept once each", () => {
  const parser = newParser();
  const shapes = Array.from({ length: 40 }, (_, index) => family("disk", [`d${index}`]));
  for (let scrape = 0; scrape < 3; scrape++) for (const shape of shapes) parse(parser.source([]), shape);
  assert.equal(parser.layoutCount, shapes.length);
});

/** Lines that are new in every scrape, in many small families, one large one, and under the headers of honest ones. */
function noise(guest: number, scrape: number): string {
  const tag = `g${guest}s${scrape}`;
  const names = Array.from({ length: 60 }, (_, at) => family(`kata_guest_${tag}_${at}`, ["a"]));
  const long = Array.from({ length: 12 }, (_, at) =>
    family(`kata_guest_long${at}`, [tag.padEnd(240, "x"), "b"]),
  );
  const variants = ["kata_guest_meminfo", "kata_guest_vm_stat"].map((name) => family(name, [tag, "b"]));
  return [...names, ...long, ...variants].join("");
}

test("guests that bring new layouts in every scrape take none from an honest sandbox, whenever it comes", () => {
  const limits = { layoutsMax: 2_000, layoutBytesMax: 8 * 1024 ** 2, newSamplesPerMinuteMax: 2_000 };
  const parser = newParser(limits);
  const hostile = Array.from({ length: 12 }, () => parser.source([]));
  const honest = (seed: number) => {
    const page = createPage({ flavor: "go", seed, disks: 1 + seed });
    return { page, source: parser.source([]), lexed: [] as number[] };
  };
  const sandboxes = [honest(0), honest(1)];
  for (let scrape = 0; scrape < 240; scrape++) {
    if (scrape === 120) sandboxes.push(honest(2));
    for (const [guest, source] of hostile.entries()) parse(source, noise(guest, scrape));
    for (const { page, source, lexed: slow } of sandboxes) {
      slow.push(
        lexed(parser, () => {
          const { samples, badLines, skippedLines } = parse(source, page.render());
          assert.deepEqual([samples, badLines, skippedLines], [page.samples, 0, 0], `scrape ${scrape}`);
        }),
      );
    }
    parser.nextRound();
    if (scrape % 4 === 0) parser.nextMinute();
    assert.ok(parser.layoutCount <= limits.layoutsMax);
    assert.ok(parser.layoutBytes <= limits.layoutBytesMax);
  }
  for (const { lexed: slow } of sandboxes)
    assert.equal(
      slow.slice(1).reduce((sum, one) => sum + one),
      0,
    );
});
