// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatGo, formatRust, LineWriter, NUMBER_TEXT_BYTES_MAX, type NumberStyle } from "./number_text.ts";

function written(value: number, style: NumberStyle): string {
  const bytes = Buffer.alloc(400);
  const writer = new LineWriter(bytes, style);
  writer.endLine(value);
  return bytes.toString("latin1", 0, writer.length - 1);
}

test("Go writes %g: an exponent from a million up, and below a ten-thousandth", () => {
  const check = (value: number, text: string): void => {
    assert.equal(formatGo(value), text);
    assert.equal(written(value, "go"), text);
  };
  check(0, "0");
  check(-0, "0");
  check(7, "7");
  check(999_999, "999999");
  check(1_000_000, "1e+06");
  check(1_249_280, "1.24928e+06");
  check(20_017_152, "2.0017152e+07");
  check(9_007_199_254_740_991, "9.007199254740991e+15");
  check(14_073_748_835_531_776, "1.4073748835531776e+16");
  check(123_456.75, "123456.75");
  check(1_234_567.5, "1.2345675e+06");
  check(0.0001, "0.0001");
  check(0.00003, "3e-05");
  check(-2_500_000, "-2.5e+06");
  check(1e100, "1e+100");
  check(Infinity, "+Inf");
  check(-Infinity, "-Inf");
  check(Number.NaN, "NaN");
});

test("Rust writes plain decimals, however large or small", () => {
  const check = (value: number, text: string): void => {
    assert.equal(formatRust(value), text);
    assert.equal(written(value, "rs"), text);
  };
  check(0, "0");
  check(-0, "-0");
  check(20_017_152, "20017152");
  check(1.059999942779541, "1.059999942779541");
  check(1e-7, "0.0000001");
  check(-2.5e-7, "-0.00000025");
  check(1e21, "1000000000000000000000");
  check(2 ** 80, "1208925819614629200000000");
  check(Infinity, "inf");
  check(-Infinity, "-inf");
  check(Number.NaN, "NaN");
});

const anyNumber = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.maxSafeInteger(),
  fc.nat().map((value) => value / 100),
);

test("both ways of writing mean the same number", () => {
  fc.assert(
    fc.property(anyNumber, (value) => {
      assert.equal(Number(formatGo(value)), value === 0 ? 0 : value);
      assert.equal(Number(formatRust(value)), value);
    }),
  );
});

test("bytes are written as the texts are, and Go's never need more room than is kept", () => {
  fc.assert(
    fc.property(anyNumber, (value) => {
      assert.equal(written(value, "go"), formatGo(value));
      assert.equal(written(value, "rs"), formatRust(value));
      assert.ok(formatGo(value).length + 1 <= NUMBER_TEXT_BYTES_MAX + 1);
    }),
  );
});
