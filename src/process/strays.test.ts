// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import type { StrayLine } from "../reporting/process_log.ts";
import { captureWarnings, consoleInto, endOnUncaught } from "./strays.ts";

function recorded(): { readonly lines: StrayLine[]; say(line: StrayLine): void } {
  const lines: StrayLine[] = [];
  return { lines, say: (line) => void lines.push(line) };
}

test("everything that libraries write to the console becomes lines, whatever the method", () => {
  const { lines, say } = recorded();
  const console = consoleInto(say);
  console.error("E %s of %d", "call", 7, { a: 1 });
  console.dir({ b: 2 });
  console.table([[1]]);
  const message = "Library writes to the console.";
  assert.deepEqual(lines.slice(0, 2), [
    { level: "warn", fields: { detail: "E call of 7 { a: 1 }" }, message },
    { level: "info", fields: { detail: "{ b: 2 }" }, message },
  ]);
  assert.equal(lines.length, 3);
});

test("Node's warnings become lines, and Node's own listener, which prints them, is gone", () => {
  const { lines, say } = recorded();
  const source = new EventEmitter();
  source.on("warning", () => assert.fail("printed"));
  captureWarnings(source, say);
  const deprecation = Object.assign(new Error("old"), { name: "DeprecationWarning", code: "DEP0123" });
  source.emit("warning", deprecation);
  source.emit("warning", Object.assign(new Error("new"), { name: "ExperimentalWarning" }));
  const message = "Node warns.";
  assert.deepEqual(lines, [
    { level: "warn", fields: { warning: "DeprecationWarning", code: "DEP0123", detail: "old" }, message },
    { level: "debug", fields: { warning: "ExperimentalWarning", detail: "new" }, message },
  ]);
});

test("an uncaught error is a line with its stack, and then ends the process", () => {
  const { lines, say } = recorded();
  const source = new EventEmitter();
  let ends = 0;
  endOnUncaught(source, say, () => ends++);
  source.emit("uncaughtException", new TypeError("no"), "unhandledRejection");
  source.emit("uncaughtException", "text", "uncaughtException");
  assert.equal(ends, 2);
  assert.match(String(lines[0]?.fields["error"]), /^TypeError: no\n {4}at /);
  assert.deepEqual(lines[1], {
    level: "error",
    fields: { error: "text", origin: "uncaughtException" },
    message: "BUG: error was not caught; the agent ends.",
  });
});
