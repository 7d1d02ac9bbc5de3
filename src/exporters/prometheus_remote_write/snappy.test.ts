// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { uncompress } from "snappyjs";
import { decodeSnappy } from "../../../test/kit/oracle/snappy.ts";
import { HOLE, Outline } from "./outline.ts";
import { asLiteral, compressOutline } from "./snappy.ts";

/** The byte that this test fills into a hole. It differs from those of other holes nearby. */
const byteOf = (symbol: number): number => (symbol > 0xff ? (symbol * 31) & 0xff : symbol);

function withLength(elements: Uint8Array, length: number): Uint8Array {
  const head: number[] = [];
  for (let rest = length; rest > 0 || head.length === 0; rest = Math.floor(rest / 128))
    head.push(rest >= 128 ? (rest % 128) + 128 : rest);
  return Uint8Array.from([...head, ...elements]);
}

/** Compresses the symbols, fills the holes, and has two decoders read it. Returns the compressed bytes. */
function check(symbols: readonly number[]): Uint8Array {
  const outline = new Outline();
  outline.raw(symbols);
  const { bytes, holes } = compressOutline(outline);
  for (const { symbol: first, place, bytes: count } of holes)
    for (let index = 0; index < count; index++) bytes[place + index] = byteOf(first + index);
  const whole = withLength(bytes, symbols.length);
  const want = Uint8Array.from(symbols, byteOf);
  assert.deepEqual(decodeSnappy(whole), want);
  assert.deepEqual(new Uint8Array(uncompress(whole)), want);
  return bytes;
}

const symbol = fc.oneof(
  fc.integer({ min: 0, max: 3 }),
  fc.integer({ min: 0, max: 0xff }),
  fc.integer({ min: HOLE.labels, max: HOLE.labels + 8 }),
);

test("whatever the symbols are, decoders read the bytes that are filled in", () => {
  const repeated = fc
    .array(fc.tuple(fc.array(symbol, { maxLength: 90 }), fc.integer({ min: 1, max: 9 })), { maxLength: 30 })
    .map((parts) => parts.flatMap(([part, times]) => Array.from({ length: times }, () => part).flat()));
  fc.assert(
    fc.property(repeated, (symbols) => void check(symbols)),
    { numRuns: 500 },
  );
});

/** Symbols in which nothing is repeated, so that there is no copy. */
const strange = (length: number): number[] =>
  Array.from({ length }, (_, index) => (Math.imul(index + 1, 0x9e3779b1) >>> 13) & 0xff);

test("literals and copies have the forms of their lengths", () => {
  for (const length of [0, 1, 3, 4, 59, 60, 61, 255, 256, 257, 65_535, 65_536, 65_537, 140_000])
    check(strange(length));
  // Lengths of copies, next to where they are cut.
  for (const length of [4, 11, 12, 63, 64, 65, 66, 67, 68, 69, 128, 129, 131, 132, 200]) {
    const part = strange(length);
    check([...part, ...part, 1, 2, 3]);
  }
});

test("a copy does not reach further than decoders follow", () => {
  const part = strange(40);
  for (const distance of [2_047, 2_048, 65_535, 65_536, 70_000])
    check([...part, ...new Array(distance - part.length).fill(7), ...part]);
});

test("a hole is a copy only of itself", () => {
  const hole = (start: number) => Array.from({ length: 20 }, (_, index) => HOLE.labels + start + index);
  const once = check(hole(0));
  assert.ok(check([...hole(0), ...hole(0)]).length < once.length + 4);
  assert.ok(check([...hole(0), ...hole(100)]).length > once.length + 19);
});

test("uncompressed bytes can be an element", () => {
  for (const length of [1, 60, 70_000]) {
    const bytes = Uint8Array.from(strange(length));
    const whole = withLength(asLiteral(bytes), length);
    assert.deepEqual(decodeSnappy(whole), bytes);
    assert.deepEqual(new Uint8Array(uncompress(whole)), bytes);
  }
});
