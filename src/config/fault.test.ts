// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Fault, renderFault, renderFaults } from "./fault.ts";

function fault(file: string, line: number, column: number, source = ""): Fault {
  return { origin: { file, line, column, source }, path: ["a", 0, "b"], message: `${file}${line}` };
}

test("a fault has its place, its path, its source line and a caret under the column", () => {
  const rendered = renderFault(fault("agent.yaml", 3, 6, "  x: wrong"));
  assert.equal(rendered, "agent.yaml:3:6: a::0::b: agent.yaml3\n      x: wrong\n         ^");
});

test("a label is between place and path, where tools that read file:line:column expect it", () => {
  assert.equal(renderFaults([fault("f", 1, 2)], "warning: "), "f:1:2: warning: a::0::b: f1\n");
});

test("the caret is under its character, even if hidden characters before it are written out", () => {
  assert.deepEqual(
    renderFault(fault("f", 1, 4, "\t\u202ea: x"))
      .split("\n")
      .slice(1),
    ["    \\t\\u202ea: x", "             ^"],
  );
});

test("a long source line is cut around the column", () => {
  const [, source = "", caret = ""] = renderFault(
    fault("f", 1, 5_001, `${"a".repeat(5_000)}X${"b".repeat(5_000)}`),
  ).split("\n");
  assert.equal(source.length, 4 + 160);
  assert.equal(source[caret.indexOf("^")], "X");
});

test("control characters of a config do not reach the terminal", () => {
  const rendered = renderFault({ ...fault("f", 1, 1, "\u001b[2J"), path: ["\u001b[31m\n"] });
  assert.deepEqual(rendered.split("\n"), ["f:1:1: \\u001b[31m\\n: f1", "    \\u001b[2J", "    ^"]);
});

test("faults are in the order of their places, file by file", () => {
  const faults = [fault("b", 2, 1), fault("a", 9, 1), fault("b", 1, 9), fault("b", 1, 3), fault("a", 1, 1)];
  const places = renderFaults(faults)
    .split("\n")
    .map((line) => line.slice(0, 5));
  assert.deepEqual(places, ["b:1:3", "b:1:9", "b:2:1", "a:1:1", "a:9:1", ""]);
});

test("of very many faults the first hundred are shown, and the rest counted", () => {
  const lines = renderFaults(Array.from({ length: 250 }, (_, index) => fault("f", index + 1, 1))).split("\n");
  assert.equal(lines.length, 102);
  assert.equal(lines[100], "and 150 more");
});
