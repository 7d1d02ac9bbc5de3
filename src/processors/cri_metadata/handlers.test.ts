// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { compileHandlers } from "./handlers.ts";

function check(patterns: readonly string[], handler: string, want: boolean): void {
  assert.equal(compileHandlers(patterns)(handler), want, `${JSON.stringify(patterns)} ${handler}`);
}

test("a pattern is for the whole name, with * for any text and ? for one character", () => {
  check(["kata*"], "kata", true);
  check(["kata*"], "kata-qemu", true);
  check(["kata*"], "my-kata", false);
  check(["kata-?h"], "kata-ch", true);
  check(["kata-?h"], "kata-clh", false);
  check(["kata.q"], "kata-q", false);
  check(["a", "b"], "b", true);
  check([], "kata", false);
});

test("pods with the runtime's default handler match the empty pattern and a lone star", () => {
  check(["kata*"], "", false);
  check(["kata*", ""], "", true);
  check(["*"], "", true);
  check([""], "kata", false);
});

test("a pattern with many stars takes time in proportion to the name", () => {
  check([`${"*a".repeat(100)}*b`], "a".repeat(5_000), false);
  check(["*".repeat(253)], "a".repeat(5_000), true);
});
