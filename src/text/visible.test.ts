// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { assert as holds, property, string } from "fast-check";
import { visible, visibleLines } from "./visible.ts";

test("hidden characters are written as in JSON", () => {
  const check = (input: string, want: string): void => assert.equal(visible(input), want);
  check('plain text, \\ and "quotes"', 'plain text, \\ and "quotes"');
  check("a\tb\r\nc", "a\\tb\\r\\nc");
  check("\u001b[31m\u0000\u007f\u0085\u009b", "\\u001b[31m\\u0000\\u007f\\u0085\\u009b");
  check(
    "\u061c\u200b\u200f\u202a\u202e\u2060\u2069\ufeff",
    "\\u061c\\u200b\\u200f\\u202a\\u202e\\u2060\\u2069\\ufeff",
  );
  check("\u2028\u2029", "\\u2028\\u2029");
  check("\ud800x\udc00", "\\ud800x\\udc00");
  check("\u{e0041}\u{e0001}", "\\udb40\\udc41\\udb40\\udc01");
  check("\u00ad\u034f\u3164\ufe0f\u{e0100}", "\\u00ad\\u034f\\u3164\\ufe0f\\udb40\\udd00");
  check("größe 漢字 𐍈 עברית", "größe 漢字 𐍈 עברית");
});

test("lines keep their ends and tabs, and nothing else", () => {
  assert.equal(visibleLines("a\tb\n\u001b[2J\r\u2028c\n"), "a\tb\n\\u001b[2J\\r\\u2028c\n");
});

test("every character of Unicode is visible, or is written visibly", () => {
  const unseen = /[\p{C}\p{Zl}\p{Zp}]/u;
  for (let code = 0; code <= 0x10ffff; code++) {
    const written = visible(String.fromCodePoint(code));
    // Private and unassigned characters have a glyph, if only that of a missing one.
    if (unseen.test(written) && !/^[\p{Co}\p{Cn}]$/u.test(written)) assert.fail(`U+${code.toString(16)}`);
  }
});

test("a JSON document stays the same document, and is written visibly once and for all", () => {
  holds(
    property(string({ unit: "binary" }), (text) => {
      const json = visible(JSON.stringify({ [text]: text }));
      assert.equal(JSON.stringify(JSON.parse(json)), JSON.stringify({ [text]: text }));
      assert.equal(visible(json), json);
      assert.equal(visible(visible(text)), visible(text));
    }),
  );
});
