// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { didYouMean } from "./suggestion.ts";

test("a name that is near enough is suggested, and no other", () => {
  const known = ["interval", "initial_delay", "timeout", "kata"];
  const check = (name: string, want: string): void => assert.equal(didYouMean(name, known), want, name);
  check("intervall", '; did you mean "interval"?');
  check("tiemout", '; did you mean "timeout"?');
  check("kat", '; did you mean "kata"?');
  check("endpoint", "");
  check("", "");
});
