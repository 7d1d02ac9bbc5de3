// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { delimitedBytes, ProtoWriter, varintBytes } from "./writer.ts";

test("fields are written as an independent writer writes them", () => {
  const whole = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const field = fc.integer({ min: 1, max: 2 ** 29 - 1 });
  fc.assert(
    fc.property(field, whole, fc.double(), fc.string({ unit: "binary" }), (number, value, double, text) => {
      const ours = new ProtoWriter(1);
      ours.uint(number, value);
      ours.double(number, double);
      ours.text(number, text);
      const theirs = new BinaryWriter();
      theirs.tag(number, WireType.Varint).uint32(value);
      theirs.tag(number, WireType.Bit64).double(double);
      theirs.tag(number, WireType.LengthDelimited).bytes(new TextEncoder().encode(text));
      assert.deepEqual(ours.finish(), theirs.finish());
    }),
  );
});

test("a varint takes as many bytes as were announced, up to 2^53", () => {
  const check = (value: number, bytes: number): void => {
    const writer = new ProtoWriter();
    writer.uint(1, value);
    assert.equal(varintBytes(value), bytes);
    assert.equal(writer.length, 1 + bytes);
    const reader = new BinaryReader(writer.finish());
    reader.tag();
    assert.equal(reader.uint64(), BigInt(value));
  };
  check(0, 1);
  check(127, 1);
  check(128, 2);
  check(2 ** 31, 5);
  check(2 ** 32, 5);
  check(Number.MAX_SAFE_INTEGER, 8);
});

test("a nested message takes as many bytes as were announced", () => {
  for (const size of [0, 1, 127, 128, 16_383, 16_384]) {
    const writer = new ProtoWriter();
    writer.delimited(20, new Uint8Array(size));
    assert.equal(writer.length, delimitedBytes(20, size));
  }
});

test("holes are zeros at the place returned, and packed doubles keep their order", () => {
  const writer = new ProtoWriter(3);
  const single = writer.hole(1);
  const packed = writer.packedHoles(2, 3);
  writer.packedDoubles(3, [1.5, -2]);
  const bytes = writer.finish();
  assert.deepEqual(bytes.subarray(single, single + 8), new Uint8Array(8));
  assert.deepEqual(bytes.subarray(packed, packed + 24), new Uint8Array(24));
  const reader = new BinaryReader(bytes);
  reader.tag();
  assert.equal(reader.fixed64(), 0n);
  reader.tag();
  assert.equal(reader.uint32(), 24);
  reader.pos += 24;
  reader.tag();
  assert.equal(reader.uint32(), 16);
  assert.deepEqual([reader.double(), reader.double()], [1.5, -2]);
});
