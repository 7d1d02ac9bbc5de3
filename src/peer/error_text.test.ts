// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { errorText } from "./error_text.ts";

test("the text of an error, or of each attempt where it has none", () => {
  const check = (error: unknown, want: string): void => assert.equal(errorText(error), want);
  check(new Error("refused"), "refused");
  check(new AggregateError([new Error("a"), "b"]), "a, b");
  check(
    new Error("write EPROTO 40E:error:0A00010B:SSL routines:f:wrong version number:../deps/t.c:77:\n"),
    "write EPROTO wrong version number",
  );
  check("words", "words");
  check(
    new Error("cannot verify; if the root CA is installed locally, try running Node.js with --x"),
    "cannot verify",
  );
});
