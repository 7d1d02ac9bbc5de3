// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderFaults } from "./fault.ts";
import { nodeAt, originOf } from "./node.ts";
import { CONFIG_BYTES_MAX, parseYaml, parseYamlText } from "./yaml.ts";

function check(content: string | Uint8Array, ...want: readonly string[]): void {
  const faults: Parameters<typeof parseYaml>[2] = [];
  const tree = parseYaml("f", typeof content === "string" ? Buffer.from(content) : content, faults);
  assert.equal(tree, undefined);
  const got = renderFaults(faults).split("\n");
  assert.deepEqual(
    got.filter((line) => line !== "" && !line.startsWith("    ")),
    want,
  );
}

test("every value has its place", () => {
  const tree = parseYamlText("f", "a:\n  - b: 1\n    c: &x [2, 3]\nd: *x\ne:\n", []);
  assert.ok(tree !== undefined);
  const at = (...path: (string | number)[]): string => {
    const { line, column } = originOf(tree, path);
    return `${line}:${column}`;
  };
  assert.equal(at("a"), "1:1");
  assert.equal(at("a", 0, "b"), "2:8");
  assert.equal(at("a", 0, "c"), "3:5");
  assert.equal(at("a", 0, "c", 1), "3:15");
  assert.equal(at("d"), "4:1");
  assert.equal(at("a", 0, "nothing"), "2:5", "the nearest place that is there");
  assert.equal(nodeAt(tree, ["d"]), nodeAt(tree, ["a", 0, "c"]), "an alias is the same tree");
});

test("values are YAML 1.2's: yes and on are texts, 010 is ten", () => {
  const tree = parseYamlText("f", "[yes, on, 010, 1.5, true, ~, 0x10]", []);
  assert.ok(tree?.kind === "list");
  const values = tree.items.map((item) => (item.kind === "scalar" ? item.value : item.kind));
  assert.deepEqual(values, ["yes", "on", 10, 1.5, true, null, 16]);
});

test("a byte order mark, CRLF and a marked beginning and end are fine", () => {
  assert.ok(parseYaml("f", Buffer.from("\ufeff---\r\na: 1\r\n...\r\n"), [])?.kind === "map");
});

test("a key that is in a map twice is refused, however it is written", () => {
  check("a: 1\nb: 2\na: 2\n", 'f:3:1: key "a" stands twice in one map, first in line 1');
  check("1: a\n'1': b\n", 'f:2:1: key "1" stands twice in one map, first in line 1');
});

test("each form of YAML that a config cannot have gets a fault of its own", () => {
  check("a:\n\tb: 1\n", "f:2:1: a tab cannot indent YAML; use spaces");
  check(
    "a: 1\n---\nb: 2\n",
    'f:2:1: the file holds several documents; a config is one, so remove the "---" between them',
  );
  check(
    "a: &x {b: 1}\nc:\n  <<: *x\n",
    'f:3:3: merge keys ("<<") are not supported; write the keys out, or give several --config',
  );
  check("%YAML 1.1\n---\na: yes\n", "f:1:1: a config is YAML 1.2, not 1.1; remove the %YAML line");
  const tags = 'tags ("!name") are not supported; a config has plain texts, numbers, lists and maps';
  check("a: !foo b\n", `f:1:4: ${tags}`);
  check("a: !!binary aGk=\n", `f:1:13: ${tags}`);
  check("a: !!set {b, c}\n", `f:1:10: ${tags}`);
  assert.ok(parseYamlText("f", "a: !!str 5\n", []) !== undefined);
  check("? [a]\n: b\n", "f:1:3: a key must be a plain text");
  check(": b\n", "f:1:1: a key must be a plain text");
  check(Uint8Array.of(0x61, 0x3a, 0xff), "f:1:1: cannot read the config: it is not UTF-8");
  check(
    " ".repeat(CONFIG_BYTES_MAX + 1),
    "f:1:1: cannot read the config: it has more than 1048576 bytes, which is the limit",
  );
});

test("all syntax faults are reported, up to ten", () => {
  check(
    "a: 'x' y\nb: [1 2: 3]\nc: @x\n",
    "f:1:8: invalid YAML: Unexpected scalar at node end",
    "f:3:4: invalid YAML: Plain value cannot start with reserved character @",
  );
  const tabs = Array.from({ length: 50 }, () => "\tk: 1").join("\n");
  check(tabs, ...Array.from({ length: 10 }, (_, i) => `f:${i + 1}:1: a tab cannot indent YAML; use spaces`));
});

test("the fault of a quote, list or map that is never closed is at its beginning", () => {
  check('a: "b\nc: 1\n', "f:1:4: this quote is never closed");
  check("a: 'b\n\n", "f:1:4: this quote is never closed");
  check("x:\n  a: [1, 2\n  b: 3\n", 'f:2:6: this list has no "]" that is indented deeper than its key');
  check(
    "a: {b: {c: 1\nd: 2\n",
    'f:1:4: this map has no "}" that is indented deeper than its key',
    'f:1:8: this map has no "}" that is indented deeper than its key',
  );
  check("a: {b: 1\nc: 2\n", 'f:1:4: this map has no "}" that is indented deeper than its key');
});

test("an alias needs an anchor before it", () => {
  check("a: *x\n", 'f:1:4: alias "*x" has no anchor "&x" that ends before it');
  check("a: &x [*x]\n", 'f:1:8: alias "*x" has no anchor "&x" that ends before it');
});

test("an alias bomb is refused without being followed to its end", () => {
  const levels = Array.from({ length: 9 }, (_, level) => {
    const before = level === 0 ? '"x"' : `*a${level - 1}`;
    return `a${level}: &a${level} [${Array.from({ length: 10 }, () => before).join(", ")}]`;
  });
  check(
    levels.join("\n"),
    "f:5:10: the config is too large, its aliases followed; the limit is 20000 values",
  );
});

test("many keys and many aliases cost no more than their number", () => {
  const keys = Array.from({ length: 19_000 }, (_, index) => `k${index}: 1`).join("\n");
  assert.ok(parseYamlText("f", keys, []) !== undefined);
  const aliases = `a: &a 1\nb: [${Array.from({ length: 9_000 }, () => "*a").join(", ")}]`;
  assert.ok(parseYamlText("f", aliases, []) !== undefined);
});

test("nesting is limited, also where aliases make it", () => {
  const nested = (levels: number): string =>
    Array.from({ length: levels }, (_, level) => `${" ".repeat(level)}a:`).join("\n");
  assert.ok(parseYamlText("f", nested(100), []) !== undefined);
  check(nested(101), "f:101:103: the config is nested too deeply; the limit is 100 levels");
  const chain = Array.from({ length: 200 }, (_, i) => `a${i}: &a${i} [${i === 0 ? 1 : `*a${i - 1}`}]`);
  check(chain.join("\n"), "f:100:12: the config is nested too deeply; the limit is 100 levels");
  const faults: Parameters<typeof parseYaml>[2] = [];
  parseYamlText("f", "[".repeat(20_000), faults);
  assert.deepEqual(
    faults.map(({ message }) => message),
    ["the config is nested too deeply"],
  );
});

test("a line with a syntax fault that seems to hold a secret is not shown", () => {
  const faults: Parameters<typeof parseYaml>[2] = [];
  parseYamlText("f", "password: hunter2: x\n", faults);
  assert.equal(faults.length, 1);
  assert.match(renderFaults(faults), /^f:1:11: invalid YAML: Nested mappings[^\n]*\n$/);
});
