// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sample, stringMatching } from "fast-check";

/** A regular expression in a source file. */
interface Literal {
  readonly file: string;
  readonly expression: RegExp;
}

const SOURCES = join(import.meta.dirname, "../../src");
/** Finds literals: before one there may be these characters, which cannot be before a division. */
const LITERAL =
  /(?:[(,=:[!&|?{;>]|\breturn|^)\s*\/(?![/*])((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+)\/([dgimsuvy]*)/gm;
/** With an input of this length, an expression whose steps grow with the square would practically never end. */
const INPUT_CHARS = 1_000_000;

/** Finds the expressions that repeat something without a bound; no other one can take long. */
function literals(): Literal[] {
  return readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !/\.test\.ts$|generated|simulator/.test(file))
    .flatMap((file) => {
      const code = readFileSync(join(SOURCES, file), "utf8").replaceAll(/^\s*(?:\/?\*|\/\/).*$/gm, "");
      return Array.from(code.matchAll(LITERAL), ([, source = "", flags = ""]) => ({
        file,
        expression: new RegExp(source, flags),
      }));
    })
    .filter(({ expression }) => /[*+]|\{\d+,\}/.test(expression.source));
}

/** Makes texts to repeat: single characters of all kinds, and beginnings of texts that the expression matches. */
function pieces({ source, flags }: RegExp): ReadonlySet<string> {
  const found = new Set([..."0aAF \t\n\\\"'/:.-@=?&$({[,"]);
  found.add('\\"');
  try {
    for (const match of sample(stringMatching(new RegExp(source, flags.replaceAll(/[gy]/g, ""))), {
      numRuns: 6,
      seed: 1,
    }))
      for (const end of [0.3, 0.6, 0.9, 1].map((share) => Math.ceil(match.length * share)))
        if (end > 0 && end < 60) found.add(match.slice(0, end));
  } catch {
    // The generator cannot handle lookarounds and back references; the parts of the expression replace its matches.
    for (const part of source.split(/[^A-Za-z:/ -]+/)) if (part !== "") found.add(part);
  }
  return found;
}

test("the search for expressions finds them", () => {
  const found = literals().map(({ file }) => file);
  for (const file of [
    "options/values.ts",
    "config/secrets.ts",
    "peer/error_text.ts",
    "prometheus/parse/line.ts",
  ])
    assert.ok(found.includes(file), file);
});

for (const { file, expression } of literals()) {
  test(`${file}: /${expression.source.slice(0, 60)}/ needs no more than linear time on hostile input`, () => {
    let tried = 0;
    for (const piece of pieces(expression)) {
      const input = `${piece.repeat(INPUT_CHARS / piece.length)}\u0000`;
      expression.lastIndex = 0;
      if (expression.global) input.replace(expression, "");
      else expression.test(input);
      tried++;
    }
    assert.ok(tried >= 20);
  });
}
