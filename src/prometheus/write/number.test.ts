// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { WRITTEN_NUMBER_BYTES_MAX } from "../page/page_format.ts";
import { toNumber } from "../parse/number.ts";
import { writeNumber } from "./number.ts";

const AT = 3;

function write(value: number): string {
  const out = new Uint8Array(AT + WRITTEN_NUMBER_BYTES_MAX);
  return Buffer.from(out.subarray(AT, writeNumber(out, AT, Float64Array.of(value), 0))).toString("latin1");
}

function check(value: number, want: string): void {
  assert.equal(write(value), want);
}

test("integers are written with all their digits", () => {
  check(0, "0");
  check(7, "7");
  check(-1, "-1");
  check(99, "99");
  check(100, "100");
  check(1_249_280, "1249280");
  check(999_999_999, "999999999");
  check(1_000_000_000, "1000000000");
  check(1_700_000_000_005, "1700000000005");
  check(2 ** 53 - 1, "9007199254740991");
  check(2 ** 53, "9007199254740992");
  check(1e21, "1e+21");
});

test("fractions are written in full", () => {
  check(0.5, "0.5");
  check(0.34, "0.34");
  check(-12.25, "-12.25");
  check(4.4e-5, "0.000044");
  check(123_456.789, "123456.789");
  check(1_700_000_000.12, "1700000000.12");
  check(0.1 + 0.2, "0.30000000000000004");
  check(1e-7, "0.0000001");
  check(5e-324, "5e-324");
  check(-2.2250738585072014e-308, "-2.2250738585072014e-308");
  check(-0.0000010705438171498827, "-0.0000010705438171498827");
});

test("infinities and NaN are spelled as in Go", () => {
  check(Number.NaN, "NaN");
  check(Number.POSITIVE_INFINITY, "+Inf");
  check(Number.NEGATIVE_INFINITY, "-Inf");
  check(-0, "-0");
});

test("every number reads back as the same bits, and fits", () => {
  const decimals = fc
    .tuple(fc.integer(), fc.integer({ min: 0, max: 12 }))
    .map(([n, power]) => n / 10 ** power);
  const numbers = fc.oneof(fc.double(), fc.integer(), fc.maxSafeInteger(), fc.float(), decimals);
  fc.assert(
    fc.property(numbers, (value) => {
      const text = write(value);
      assert.ok(text.length <= WRITTEN_NUMBER_BYTES_MAX, text);
      assert.ok(Object.is(toNumber(text), value), `${value} was written as ${text}`);
    }),
    { numRuns: 20_000 },
  );
});
