// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { describeStatus, toLogText } from "./answer.ts";

test("a status is described by its number, its name and the server's reason", () => {
  assert.equal(describeStatus(503, ""), "503 Service Unavailable");
  assert.equal(describeStatus(400, "too old"), "400 Bad Request: too old");
  assert.equal(describeStatus(599, "x"), "599: x");
});

test("a server's text becomes a part of one line", () => {
  assert.equal(toLogText(" a\n\n b\tc "), "a b c");
  assert.equal(toLogText("x".repeat(5_000)).length, 1_000);
});
