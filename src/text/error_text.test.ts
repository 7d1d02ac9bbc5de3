// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { messageOf } from "./error_text.ts";

test("the text of an error is its message, and anything else is converted to a text", () => {
  const rows: [unknown, string][] = [
    [new Error("no such file"), "no such file"],
    [new AggregateError([new Error("one")], "all failed"), "all failed"],
    ["a text", "a text"],
    [undefined, "undefined"],
    [42, "42"],
  ];
  for (const [thrown, want] of rows) assert.equal(messageOf(thrown), want);
});
