// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { compileExpression } from "./expression.ts";

test("an expression matches a text as a whole and gives its groups by number and name", () => {
  const check = (source: string, text: string, want: Record<string, string> | undefined): void => {
    const found = compileExpression(source).matchWhole(text);
    assert.deepEqual(found === undefined ? undefined : Object.fromEntries(found), want);
  };
  check("a|ab", "ab", { "0": "ab" });
  check("b", "abc", undefined);
  check("(?P<name>a+)(?<other>b)?", "aa", { "0": "aa", "1": "aa", name: "aa" });
  check("(?i)APP-(.*)", "app-x", { "0": "app-x", "1": "x" });
  check("a.b", "a\nb", undefined);
  check("(?s)a.b", "a\nb", { "0": "a\nb" });
  check("a$", "a\n", undefined);
  check(".", "𐍈", { "0": "𐍈" });
  check("(?<constructor>a)", "a", { "0": "a", "1": "a", constructor: "a" });
});

test("a group may have the name of a property that every object has", () => {
  const { groups, matchWhole } = compileExpression("(?<__proto__>a)");
  assert.deepEqual([...groups].sort(), ["0", "1", "__proto__"]);
  assert.equal(matchWhole("a")?.get("__proto__"), "a");
});

test("a feature that RE2 does not have is refused by its name", () => {
  const check = (source: string, want: RegExp): void => {
    assert.throws(() => compileExpression(source), { message: want });
  };
  check("a(?=b)", /RE2 has no lookaround$/);
  check("a(?!b)", /RE2 has no lookaround$/);
  check("(?<=a)b", /RE2 has no lookaround$/);
  check("(?<!a)b", /RE2 has no lookaround$/);
  check("(a)\\1", /RE2 has no backreferences$/);
  check("(?<n>a)\\k<n>", /RE2 has no backreferences$/);
  check("(?>a)", /RE2 has no atomic groups/);
  check("a++", /RE2 has no atomic groups/);
  check("\\u0041", /RE2 has no \\u; write/);
  check("\\p{Script=Greek}", /RE2 has no properties with a value/);
  check("[^]", /RE2 has no empty classes$/);
  check("(", /^missing closing \)/);
  check("a{1001}", /^invalid repeat count/);
  check("(?:.{1000}){3}", /^invalid repeat count/);
  check("(a{500})(b{500})(c{500})(d{500})", /too large once its repetitions are written out/);
});

test("expressions that make other engines backtrack forever end in time", () => {
  // By V8, each of these takes longer than the universe is old.
  const text = "a".repeat(50_000);
  for (const source of ["(a+)+b", "(a|a)*b", "(a|aa)+b", "(.*)*b", "(?:(?:a*)*)*b", "([a-z]+)*[0-9]"])
    assert.equal(compileExpression(source).matchWhole(text), undefined, source);
});
