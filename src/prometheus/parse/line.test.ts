// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { lexLine, lineEnd, skipIdleLines } from "./line.ts";
import { defaultParseLimits } from "./parse_limits.ts";

const rules = {
  ...defaultParseLimits,
  nameBytesMax: 12,
  labelsMax: 2,
  labelValueBytesMax: 6,
  labelFault: (_: string, label: string) => (label === "id" ? "reserved label" : undefined),
};

function check(line: string, want: string): void {
  const lexed = lexLine(line, rules);
  let got: string;
  if (lexed.type === "sample") {
    const labels = lexed.attributes.map(({ key, value }) => `${key}=${JSON.stringify(value)}`).join(" ");
    got = `${lexed.name}[${labels}] ${lexed.value}`;
    const text = line.slice(lexed.numberStart, lexed.numberEnd);
    assert.ok(
      Object.is(Number(text), lexed.value) || !/[0-9]/.test(text),
      `number of ${JSON.stringify(line)}`,
    );
  } else if (lexed.type === "header") got = `${lexed.word} ${lexed.name} ${JSON.stringify(lexed.text)}`;
  else got = `${lexed.type}: ${lexed.reason}`;
  assert.equal(got, want, JSON.stringify(line));
}

test("sample lines", () => {
  check("up 1", "up[] 1");
  check("up{} 1", "up[] 1");
  check('up{a="x"} 1', 'up[a="x"] 1');
  check('up{a="x",b="y"} 1.5e3', 'up[a="x" b="y"] 1500');
  check('up{a="x",} 1', 'up[a="x"] 1');
  check('up{a="",b="y"} 1', 'up[b="y"] 1');
  check("up +Inf", "up[] Infinity");
  check("ns:up:sum 1", "ns:up:sum[] 1");
  check('up{a="x"}1', 'up[a="x"] 1');
});

test("blanks are allowed between tokens", () => {
  check(" \tup\t 1 ", "up[] 1");
  check('up { a = "x" , b\t=\t"y" , } 1', 'up[a="x" b="y"] 1');
  check("up 1\r", "up[] 1");
});

test("a timestamp is accepted and dropped", () => {
  check("up 1 1700000000000", "up[] 1");
  check("up 1 -5\t", "up[] 1");
  check("up 1 17.5", "bad: something other than a timestamp after the value");
  check("up 1 2 3", "bad: something other than a timestamp after the value");
});

test("escapes in label values", () => {
  check(String.raw`up{a="\\\"\n"} 1`, String.raw`up[a="\\\"\n"] 1`);
  check(String.raw`up{a="C:\\d"} 1`, String.raw`up[a="C:\\d"] 1`);
  check('up{a="}, #"} 1', 'up[a="}, #"] 1');
  check('up{a="é☃"} 1', 'up[a="é☃"] 1');
  check(String.raw`up{a="\t"} 1`, "bad: invalid escape in a label value");
  check(String.raw`up{a="\"} 1`, "bad: label value without quotes");
});

test("malformed sample lines", () => {
  check("9up 1", "bad: no metric name at the start of the line");
  check("{} 1", "bad: no metric name at the start of the line");
  check("up", "bad: no value after the metric name");
  check("up ", "bad: no value");
  check("up-time 1", "bad: no value after the metric name");
  check("up x", "bad: value is not a number");
  check("up 0x10", "bad: value is not a number");
  check('up{9a="x"} 1', "bad: label without a legal name");
  check('up{,a="x"} 1', "bad: label without a legal name");
  check('up{a="x",,} 1', "bad: label without a legal name");
  check('up{a:b="x"} 1', 'bad: label without "="');
  check("up{a} 1", 'bad: label without "="');
  check("up{a=x} 1", "bad: label value without quotes");
  check('up{a="x} 1', "bad: label value without quotes");
  check('up{a="x" b="y"} 1', "bad: labels without a closing brace");
  check('up{a="x" 1', "bad: labels without a closing brace");
  check('up{a="x",a="y"} 1', "bad: label name twice on one line");
  check('up{__name__="x"} 1', "bad: reserved label");
  check('up{__address__="x"} 1', "bad: reserved label");
  check('up{a="x",id="x"} 1', "bad: reserved label");
  check('up{a="x"} 1 # {id="5"} 1', "bad: something other than a timestamp after the value");
  check("\ufeffup 1", "bad: no metric name at the start of the line");
});

test("HELP and TYPE lines", () => {
  check("# HELP up Is it up?", 'HELP up "Is it up?"');
  check("# HELP up", 'HELP up ""');
  check("# HELP up  two  blanks", 'HELP up "two  blanks"');
  check(String.raw`# HELP up a\\b\nc\d`, String.raw`HELP up "a\\b\nc\\d"`);
  check("#\tTYPE \tup\tgauge ", 'TYPE up "gauge"');
  check("# TYPE up gauge\r", 'TYPE up "gauge"');
  check("# TYPE up", 'TYPE up ""');
  check("# HELP 9up x", "bad: HELP without a legal metric name");
  check("# TYPE ", "bad: TYPE without a legal metric name");
  check("# TYPE a-b gauge", "bad: TYPE without a legal metric name");
});

test("a line beyond a limit is told from a malformed line", () => {
  check("abcdefghijklm 1", "overlong: metric name too long");
  check("# TYPE abcdefghijklm gauge", "overlong: metric name too long");
  check('up{abcdefghijklm="x"} 1', "overlong: label name too long");
  check('up{a="x",b="x",c="x"} 1', "overlong: too many labels");
  check('up{a="1234567"} 1', "overlong: label value too long");
  check('up{a="☃☃☃"} 1', "overlong: label value too long");
  check(String.raw`up{a="\\\\\\\\\\\\"} 1`, String.raw`up[a="\\\\\\\\\\\\"] 1`);
  check('up{a="☃☃"} 1', 'up[a="☃☃"] 1');
});

test("a value that is too long as it is written is neither unescaped nor read to its end", () => {
  check(String.raw`up{a="\x${"y".repeat(20)}"} 1`, "overlong: label value too long");
  check(String.raw`up{a="\n${"y".repeat(20)}`, "bad: label value without quotes");
  check(String.raw`up{a="\n${"y".repeat(20)}\" 1`, "overlong: label value too long");
  check('up{a="x",b="x",9', "overlong: too many labels");
});

test("a line's end is found wherever it is", () => {
  for (const length of [0, 1, 62, 63, 64, 65, 66, 5_000]) {
    const bytes = Buffer.from(`##${"x".repeat(length)}\n\n`);
    assert.equal(lineEnd(bytes, 2), length + 2);
  }
});

function checkIdle(idle: string, rest: string): void {
  const bytes = Buffer.from(`${idle}${rest}`);
  const want = Buffer.byteLength(idle);
  assert.equal(skipIdleLines(bytes, 0, bytes.length), want, JSON.stringify(idle + rest));
}

test("blank lines and comments are idle; HELP, TYPE and all other lines are not", () => {
  checkIdle("", "up 1\n");
  checkIdle("\n\r\n  \t\n", "up 1\n");
  checkIdle("#\n#comment\n# a comment\n# EOF\n", "# HELP up x\n");
  checkIdle("# HELPER up\n# help up\n#  TYPEUP\n# HELP\n", "#\tTYPE up gauge\n");
  checkIdle("  # comment\n", " # HELP up x\n");
  checkIdle("", "\rx\n");
  checkIdle("# last\n", "");
});
