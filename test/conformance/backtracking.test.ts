// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sample, stringMatching } from "fast-check";

/** A regular expression as it stands in a source. */
interface Literal {
  readonly file: string;
  readonly expression: RegExp;
}

const SOURCES = join(import.meta.dirname, "../../src");
/** What may stand before a literal, and no division. */
const LITERAL =
  /(?:[(,=:[!&|?{;>]|\breturn|^)\s*\/(?![/*])((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+)\/([dgimsuvy]*)/gm;
/** An input of so many characters ends for nobody whose steps grow with its square. */
const INPUT_CHARS = 1_000_000;

/** Those that repeat something without a bound; the others cannot take long. */
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

/** What is repeated: single characters of all kinds, and beginnings of what the expression matches. */
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
    // It looks around or back, which no generator can do: its own parts stand in for what it matches.
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
  test(`${file}: /${expression.source.slice(0, 60)}/ comes to an end on hostile input`, () => {
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
