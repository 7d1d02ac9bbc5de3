// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseNumber, toNumber } from "./number.ts";

/** The number that the fast path reads from the text before a line feed; undefined if it refuses the text. */
function parse(text: string): number | undefined {
  const bytes = Buffer.from(`x ${text}\n4`);
  const out = new Float64Array(2);
  const end = parseNumber(bytes, 2, out, 1);
  if (end < 0) return undefined;
  assert.equal(end, bytes.length - 2, `position after ${JSON.stringify(text)}`);
  return out[1];
}

function check(text: string, want: number | undefined): void {
  const shown = JSON.stringify(text);
  assert.ok(Object.is(toNumber(text), want), `toNumber(${shown}) is ${toNumber(text)}`);
  assert.ok(Object.is(parse(text), want), `parseNumber(${shown}) is ${parse(text)}`);
}

test("numbers are read as Go and Rust spell them", () => {
  check("0", 0);
  check("-0", -0);
  check("7", 7);
  check("+7", 7);
  check("1261", 1261);
  check("0.77", 0.77);
  check("3.7e-05", 3.7e-5);
  check("1.24928e+06", 1249280);
  check("1E3", 1000);
  check("5.", 5);
  check(".5", 0.5);
  check("-12.25", -12.25);
  check("9.223372036854776e+18", 2 ** 63);
  check("1.8446744073709552e+19", 2 ** 64);
  check("18446744073709551615", 2 ** 64);
  check("5e-324", Number.MIN_VALUE);
  check("1.7976931348623157e+308", Number.MAX_VALUE);
  check("1e400", Infinity);
  check("1e-400", 0);
  check("000000000000000000012", 12);
});

test("infinities and NaN are read in any usual spelling", () => {
  for (const text of ["+Inf", "Inf", "inf", "+inf", "INF", "infinity"]) check(text, Infinity);
  for (const text of ["-Inf", "-inf", "-Infinity"]) check(text, -Infinity);
  for (const text of ["NaN", "nan", "NAN", "+NaN", "-nan"]) check(text, Number.NaN);
});

test("text that is no decimal number is refused", () => {
  for (const text of [
    "",
    "-",
    "+",
    ".",
    "e5",
    "1e",
    "1e+",
    "1.2.3",
    "0x10",
    "0x1p3",
    "1_000",
    "1,5",
    "--1",
  ]) {
    check(text, undefined);
  }
  for (const text of ["1f", "Infin", "nano", "1 ", " 1", "1\r", "\u0661", "1\0", "true"])
    check(text, undefined);
});

test("every finite double comes back bit for bit, however it is written", () => {
  fc.assert(
    fc.property(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer({ min: 0, max: 20 }),
      (value, digits) => {
        for (const text of [String(value), value.toExponential(digits), value.toPrecision(digits + 1)])
          check(text, Number(text));
      },
    ),
    { numRuns: 3_000 },
  );
});

test("every decimal text is the double that JavaScript makes of it", () => {
  const digits = (max: number) => fc.stringMatching(new RegExp(`^[0-9]{1,${max}}$`));
  const exponent = fc.oneof(
    fc.constant(""),
    fc.integer({ min: -340, max: 330 }).map((power) => `e${power}`),
  );
  fc.assert(
    fc.property(
      fc.constantFrom("", "-"),
      digits(18),
      digits(12),
      exponent,
      (sign, whole, fraction, power) => {
        for (const text of [`${sign}${whole}${power}`, `${sign}${whole}.${fraction}${power}`]) {
          check(text, Number(text));
        }
      },
    ),
    { numRuns: 5_000 },
  );
});

test("any other text is refused, or read alike by both readers", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[-+.0-9eEinfaNx]{0,12}$/), (text) => {
      assert.ok(Object.is(parse(text), toNumber(text)), text);
    }),
    { numRuns: 5_000 },
  );
});
