// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { Interner } from "../../metrics/interner.ts";
import type { Family, Kind, Schema } from "../../metrics/model.ts";
import { PageParser } from "./page_parser.ts";
import { defaultParseLimits, type ParseLimits } from "./parse_limits.ts";
import type { ParsedPage } from "./parsed_page.ts";
import type { ParserOptions } from "./parser_state.ts";

function newParser(limits: Partial<ParseLimits> = {}, options: Partial<ParserOptions> = {}): PageParser {
  const all = { ...defaultParseLimits, ...limits };
  return new PageParser({ interner: new Interner(), limits: all, ...options });
}

/** The text as a page in a buffer that goes on with another page's bytes. */
function pageOf(text: string): { bytes: Buffer; length: number } {
  const bytes = Buffer.from(`${text}9e9 behind the page\n`);
  return { bytes, length: Buffer.byteLength(text) };
}

/** A family a line: kind, name, help where there is one, then each point's labels, bounds and numbers. */
function describe(page: ParsedPage): string[] {
  const { schema, values } = page;
  assert.equal(values.length, schema.width);
  let column = 0;
  const lines = schema.families.map((family, index) => {
    assert.equal(schema.offsets[index], column);
    const points = family.points.map((point) => {
      const labels = point.attributes.map(({ key, value }) => `${key}=${value}`).join(",");
      const width = family.width / family.points.length;
      const numbers = [...values.subarray(column, column + width)].join(" ");
      column += width;
      return ` {${labels}}${point.boundTexts.map((bound) => ` ${bound}:`).join("")} ${numbers}`;
    });
    const help = family.help === "" ? "" : ` ${JSON.stringify(family.help)}`;
    return `${family.kind} ${family.name}${help}${points.join("")}`;
  });
  const { badLines, skippedLines, firstFault } = page;
  if (badLines > 0 || skippedLines > 0) lines.push(`${badLines} bad, ${skippedLines} skipped`);
  if (firstFault !== undefined) lines.push(`line ${firstFault.line}: ${firstFault.reason}`);
  return lines;
}

/** Parses the page again and again: however often it was seen, the result is the same. */
function check(text: string, want: readonly string[], limits: Partial<ParseLimits> = {}): ParsedPage {
  const parser = newParser(limits);
  const { bytes, length } = pageOf(text);
  const first = parser.source([]).parse(bytes, length);
  assert.deepEqual(describe(first), want, text);
  const source = parser.source([]);
  for (let scrape = 0; scrape < 2; scrape++) {
    assert.deepEqual(describe(source.parse(bytes, length)), want, `again: ${text}`);
  }
  return first;
}

test("a page becomes families in columns", () => {
  const page = check(
    '# HELP up Is it up?\n# TYPE up gauge\nup 1\n# HELP n A count.\n# TYPE n counter\nn{a="x"} 2\nn{a="y"} 3\n',
    ['gauge up "Is it up?" {} 1', 'sum n "A count." {a=x} 2 {a=y} 3'],
  );
  assert.equal(page.samples, 3);
  assert.equal(page.unterminated, false);
});

test("HELP and TYPE may be missing, swapped or alone", () => {
  check("up 1\n", ["unknown up {} 1"]);
  check("up 1\ndown 2\n", ["unknown up {} 1", "unknown down {} 2"]);
  check("# TYPE up gauge\n# HELP up x\nup 1\n", ['gauge up "x" {} 1']);
  check("# HELP up x\nup 1\n", ['unknown up "x" {} 1']);
  check("# TYPE up untyped\nup 1\n", ["unknown up {} 1"]);
  check("# HELP up x\n# TYPE up gauge\n# HELP down y\ndown 1\n", ['unknown down "y" {} 1']);
  check("# HELP up x\n# TYPE other gauge\nother 1\nup 2\n", ["gauge other {} 1", "unknown up {} 2"]);
  check("", []);
  check("# TYPE up gauge\n", []);
});

test("blank lines, comments, carriage returns and a missing last line feed cost nothing", () => {
  check("\n# hello\n# TYPE up gauge\n\n# more\nup 1\n\n# EOF\n", ["gauge up {} 1"]);
  check('# TYPE up gauge\r\nup{a="x"} 1\r\n\r\n', ["gauge up {a=x} 1"]);
  const page = check("# TYPE up gauge\nup 12", ["gauge up {} 12"]);
  assert.equal(page.unterminated, true);
});

test("texts of any script and escapes are kept", () => {
  check('# HELP up \\\\ \\n é\nup{a="\\"é☃\\n"} 1\n', ['unknown up "\\\\ \\n é" {a="é☃\n} 1']);
  check('# TYPE up gauge\nup{a="\0"} 1\n', ["gauge up {a=\0} 1"]);
});

test("numbers that no single rounding gives, infinities and NaN", () => {
  const long = `${"1".repeat(60)}.5`;
  check(`a 9.223372036854776e+18\nb +Inf\nc NaN\nd ${long}\ne -0\n`, [
    "unknown a {} 9223372036854776000",
    "unknown b {} Infinity",
    "unknown c {} NaN",
    `unknown d {} ${Number(long)}`,
    "unknown e {} 0",
  ]);
});

test("a histogram is one family however its lines are ordered", () => {
  const want = ['histogram h "x" {} 1: 5: 1 3 4 9.5 4'];
  const lines = [
    'h_bucket{le="1"} 1',
    'h_bucket{le="5"} 3',
    'h_bucket{le="+Inf"} 4',
    "h_sum 9.5",
    "h_count 4",
  ];
  const head = "# HELP h x\n# TYPE h histogram\n";
  check(`${head}${lines.join("\n")}\n`, want);
  check(`${head}${lines.toReversed().join("\n")}\n`, want);
});

test("points of a histogram and a summary are told apart by their other labels", () => {
  const point = (a: string, n: number) =>
    `h_bucket{a="${a}",le="1e+06"} ${n}\nh_bucket{a="${a}",le="+Inf"} ${n}\nh_sum{a="${a}"} 1\nh_count{a="${a}"} ${n}\n`;
  check(`# TYPE h histogram\n${point("x", 1)}${point("y", 2)}`, [
    "histogram h {a=x} 1e+06: 1 1 1 1 {a=y} 1e+06: 2 2 1 2",
  ]);
  check('# TYPE s summary\ns{quantile="0.5"} 3\ns{quantile="1"} 4\ns_sum 5\ns_count 6\n', [
    "summary s {} 0.5: 1: 3 4 5 6",
  ]);
  check("# TYPE s summary\ns_sum 5\ns_count 6\n", ["summary s {} 5 6"]);
});

test("of a malformed point only its own lines are left out", () => {
  const good = 'h_bucket{a="g",le="+Inf"} 1\nh_sum{a="g"} 1\nh_count{a="g"} 1\n';
  const rows: [string, number, string][] = [
    ['h_bucket{le="1"} 1\nh_sum 1\nh_count 1\n', 3, "histogram without its +Inf bucket"],
    ['h_bucket{le="+Inf"} 1\nh_sum 1\n', 2, "histogram without its _sum and _count"],
    ['h_bucket{le="x"} 1\nh_sum 1\nh_count 1\n', 3, 'histogram line without a usable label "le"'],
    ["h_bucket 1\nh_sum 1\nh_count 1\n", 3, 'histogram line without a usable label "le"'],
    [
      'h_bucket{le="1"} 1\nh_bucket{le="1.0"} 1\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
      5,
      "histogram with one bound twice",
    ],
    [
      'h_bucket{le="+Inf"} 1\nh_bucket{le="inf"} 1\nh_sum 1\nh_count 1\n',
      4,
      "histogram with two +Inf buckets",
    ],
    ['h_bucket{le="+Inf"} 1\nh_sum 1\nh_sum 1\nh_count 1\n', 4, "point with two lines _sum"],
  ];
  for (const [lines, bad, reason] of rows) {
    check(`# TYPE h histogram\n${good}${lines}`, [
      "histogram h {a=g} 1 1 1",
      `${bad} bad, 0 skipped`,
      `line 5: ${reason}`,
    ]);
  }
});

test("a bad line is left out alone, and is counted", () => {
  const rows: [string, string][] = [
    ["up{a=} 1", "label value without quotes"],
    ["up x", "value is not a number"],
    ['up{a="x"} 1 # {id="1"} 1', "something other than a timestamp after the value"],
    ['up{a="x",a="y"} 1', "label name twice on one line"],
    ["up 1", "series twice in one family"],
    ["# TYPE up gauge gauge", "TYPE that the text format does not have"],
  ];
  for (const [line, reason] of rows) {
    const text = line.startsWith("#") ? `${line}\nup 1\n` : `# TYPE up gauge\nup 1\n${line}\nup{b="z"} 2\n`;
    const want = line.startsWith("#") ? "unknown up {} 1" : "gauge up {} 1 {b=z} 2";
    check(text, [want, "1 bad, 0 skipped", `line ${line.startsWith("#") ? 1 : 3}: ${reason}`]);
  }
});

test("a line with bytes that are not UTF-8 is left out", () => {
  const bytes = Buffer.concat([
    Buffer.from('up{a="'),
    Buffer.from([0xff, 0xc0]),
    Buffer.from('"} 1\nup 2\n\0'),
  ]);
  const page = newParser()
    .source([])
    .parse(bytes, bytes.length - 1);
  assert.deepEqual(describe(page), ["unknown up {} 2", "1 bad, 0 skipped", "line 1: not UTF-8"]);
});

test("a byte order mark does not shift what follows", () => {
  check('\ufeff# TYPE up gauge\nup{a="é"} 1\n', [
    "unknown up {a=é} 1",
    "1 bad, 0 skipped",
    "line 1: no metric name at the start of the line",
  ]);
});

test("of two families with one name, the first wins", () => {
  const second = "line 3: family twice in one page";
  check('# TYPE up gauge\nup 1\n# TYPE up counter\nup 2\nup{a="x"} 3\n', [
    "gauge up {} 1",
    "2 bad, 0 skipped",
    second,
  ]);
  check("# TYPE up gauge\nup 1\n# HELP up twin\nup 1\n", ["gauge up {} 1", "1 bad, 0 skipped", second]);
  check("a 1\nb 2\na 3\nb 4\n", [
    "unknown a {} 1",
    "unknown b {} 2",
    "2 bad, 0 skipped",
    "line 3: family twice in one page",
  ]);
});

test("a HELP or TYPE line ends a block of samples even if it is malformed", () => {
  check('# TYPE up gauge\nup 1\n# HELP 9up x\nup{a="x"} 2\n', [
    "gauge up {} 1",
    "2 bad, 0 skipped",
    "line 3: HELP without a legal metric name",
  ]);
});

test("a HELP or TYPE line after its family's samples has no effect, and is counted", () => {
  const late = "HELP or TYPE after the family's samples";
  check("a 1\n# TYPE a counter\n", ["unknown a {} 1", "1 bad, 0 skipped", `line 2: ${late}`]);
  check("a 1\n# HELP a x\n# TYPE a counter\nb 2\n", [
    "unknown a {} 1",
    "unknown b {} 2",
    "2 bad, 0 skipped",
    `line 2: ${late}`,
  ]);
  check("# TYPE a gauge\na 1\nb 2\n# TYPE a counter\n# TYPE c gauge\n", [
    "gauge a {} 1",
    "unknown b {} 2",
    "1 bad, 0 skipped",
    `line 4: ${late}`,
  ]);
  check("# TYPE s summary\ns_sum 1\ns_count 2\n# TYPE s_count counter\n", [
    "summary s {} 1 2",
    "1 bad, 0 skipped",
    `line 4: ${late}`,
  ]);
  check('a 1\n# TYPE a counter\na{b="c"} 2\n', [
    "unknown a {} 1",
    "1 bad, 0 skipped",
    "line 2: family twice in one page",
  ]);
});

test("a family whose name is a series of another one loses to it", () => {
  const histogram = '# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n';
  check(`${histogram}# TYPE h_sum gauge\nh_sum 2\n`, [
    "histogram h {} 1 1 1",
    "1 bad, 0 skipped",
    "line 5: family twice in one page",
  ]);
  check(`# TYPE h_sum gauge\nh_sum 2\n${histogram}`, [
    "gauge h_sum {} 2",
    "3 bad, 0 skipped",
    "line 3: family twice in one page",
  ]);
});

test("families get the name that define gives, and collide under it", () => {
  const define = (name: string, kind: Kind) => ({
    name: name.startsWith("go_") ? `shim_${name}` : name,
    kind,
    help: undefined,
    hasWrongKind: false,
  });
  const parser = newParser({}, { define });
  const { bytes, length } = pageOf("# TYPE go_x gauge\ngo_x 1\n# TYPE shim_go_x gauge\nshim_go_x 2\n");
  const source = parser.source([]);
  for (let scrape = 0; scrape < 2; scrape++) {
    assert.deepEqual(describe(source.parse(bytes, length)), [
      "gauge shim_go_x {} 1",
      "1 bad, 0 skipped",
      "line 3: family twice in one page",
    ]);
  }
});

test("the source's own families come first and cannot be taken", () => {
  const interner = new Interner();
  const parser = new PageParser({ interner, limits: defaultParseLimits });
  const own: Family = interner.family({
    name: "own",
    kind: "gauge",
    unit: "",
    help: "",
    points: [
      { attributes: [{ key: "a", value: "x" }], bounds: [], boundTexts: [] },
      { attributes: [{ key: "a", value: "y" }], bounds: [], boundTexts: [] },
    ],
  });
  const source = parser.source([own]);
  const want = ["gauge own {a=x} 0 {a=y} 0", "gauge up {} 7"];
  const good = pageOf("# TYPE up gauge\nup 7\n");
  assert.deepEqual(describe(source.parse(good.bytes, good.length)), want);
  const forged = pageOf("# TYPE own gauge\nown 5\n# TYPE up gauge\nup 7\n");
  assert.deepEqual(describe(source.parse(forged.bytes, forged.length)), [
    ...want,
    "1 bad, 0 skipped",
    "line 1: family twice in one page",
  ]);
  assert.deepEqual(describe(source.parse(good.bytes, 0)), want.slice(0, 1));
});

test("the families that readings begin with can change from page to page, and the last page's schema with them", () => {
  const interner = new Interner();
  const parser = new PageParser({ interner, limits: defaultParseLimits });
  const gauge = (name: string) =>
    interner.family({
      name,
      kind: "gauge",
      unit: "",
      help: "",
      points: [{ attributes: [], bounds: [], boundTexts: [] }],
    });
  const source = parser.source([gauge("one")]);
  const page = pageOf("# TYPE up gauge\nup 7\n");
  const names = ({ families }: Schema): readonly string[] => families.map(({ name }) => name);
  const first = source.parse(page.bytes, page.length);
  assert.deepEqual(names(first.schema), ["one", "up"]);
  const other = [gauge("other")];
  assert.deepEqual(names(source.beginWith(other)), ["other", "up"]);
  assert.equal(source.beginWith(other), source.parse(page.bytes, page.length).schema);
  source.beginWith([gauge("one"), gauge("two")]);
  const wider = source.parse(page.bytes, page.length);
  assert.deepEqual(names(wider.schema), ["one", "two", "up"]);
  assert.deepEqual([...wider.values], [0, 0, 7]);
  source.beginWith([gauge("up")]);
  assert.equal(source.parse(page.bytes, page.length).badLines, 1, "a page cannot bring them");
});

test("lines beyond a limit are left out and counted", () => {
  const two = "# TYPE a gauge\na 1\n# TYPE b gauge\nb 2\n# TYPE c gauge\nc 3\n";
  check(two, ["gauge a {} 1", "gauge b {} 2", "0 bad, 1 skipped", "line 5: a limit on the page is reached"], {
    blocksMax: 2,
  });
  check(two, ["gauge a {} 1", "gauge b {} 2", "0 bad, 1 skipped", "line 5: a limit on the page is reached"], {
    samplesMax: 2,
  });
  const rows = Array.from({ length: 5 }, (_, i) => `up{i="${i}"} ${i}\n`).join("");
  check(
    `# TYPE up gauge\n${rows}`,
    ["gauge up {i=0} 0 {i=1} 1 {i=2} 2", "0 bad, 2 skipped", "line 5: a limit on the page is reached"],
    { samplesMax: 3 },
  );
  check("x\n".repeat(9), ["4 bad, 5 skipped", "line 1: no value after the metric name"], { badLinesMax: 4 });
  check(
    `up{a="${"x".repeat(100)}"} 1\nup 2\n`,
    ["unknown up {} 2", "0 bad, 1 skipped", "line 1: line too long"],
    {
      lineBytesMax: 50,
    },
  );
  check('up{a="x",b="x"} 1\nup 2\n', ["unknown up {} 2", "0 bad, 1 skipped", "line 1: too many labels"], {
    labelsMax: 1,
  });
});

test("a limit cuts a page alike whether its layouts are known or not", () => {
  const parser = newParser({ samplesMax: 3 });
  const family = (name: string) => `# TYPE ${name} gauge\n${name}{i="0"} 1\n${name}{i="1"} 2\n`;
  const parse = (text: string) => {
    const { bytes, length } = pageOf(text);
    return describe(parser.source([]).parse(bytes, length));
  };
  for (const text of [family("a"), family("b")]) parse(text);
  assert.deepEqual(parse(family("a") + family("b")), [
    "gauge a {i=0} 1 {i=1} 2",
    "gauge b {i=0} 1",
    "0 bad, 1 skipped",
    "line 6: a limit on the page is reached",
  ]);
});
