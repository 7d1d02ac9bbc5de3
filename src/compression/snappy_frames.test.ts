// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { fromSnappyFrames, toSnappyFrames } from "./snappy_frames.ts";

const BYTES_MAX = 1_000_000;
const IDENTIFIER = "ff060000734e61507059";

test("frames give their bytes back, chunk by chunk", () => {
  const check = (bytes: Buffer): void =>
    assert.ok(fromSnappyFrames(toSnappyFrames(bytes), BYTES_MAX).equals(bytes), `${bytes.length} bytes`);
  check(Buffer.alloc(0));
  check(Buffer.from("a"));
  check(Buffer.from("kata ".repeat(50_000)));
  check(randomBytes(65_536));
  check(randomBytes(65_537));
});

test("bytes that do not shrink are framed as they are, with the checksum that the format asks for", () => {
  // CRC-32C of "123456789" is e3069283; rotated by 15 bits and with the constant added: c7ae 0de5 + a282ead8.
  const masked = (((0xe3069283 >>> 15) | (0xe3069283 << 17)) + 0xa282ead8) >>> 0;
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE(masked);
  const want = `${IDENTIFIER}010d0000${checksum.toString("hex")}${Buffer.from("123456789").toString("hex")}`;
  assert.equal(toSnappyFrames(Buffer.from("123456789")).toString("hex"), want);
});

test("a stream that is damaged, cut off or too large is refused", () => {
  const check = (stream: Buffer, want: RegExp, bytesMax = BYTES_MAX): void => {
    assert.throws(() => fromSnappyFrames(stream, bytesMax), want);
  };
  const stream = toSnappyFrames(Buffer.from("123456789"));
  check(Buffer.from("no snappy"), /identifier/);
  check(stream.subarray(0, -1), /cut off/);
  check(stream.subarray(0, 12), /cut off/);
  const damaged = Buffer.from(stream);
  damaged[20] = 0;
  check(damaged, /checksum/);
  check(stream, /over 8 bytes/, 8);
  check(Buffer.concat([stream, Buffer.from("02000000", "hex")]), /unknown chunk type 2/);
  assert.throws(() => fromSnappyFrames(toSnappyFrames(Buffer.alloc(60_000)), 100));
});

test("chunks that may be skipped are skipped", () => {
  const padding = Buffer.from("fe020000abcd", "hex");
  const stream = Buffer.concat([toSnappyFrames(Buffer.from("abc")), padding]);
  assert.equal(fromSnappyFrames(stream, BYTES_MAX).toString(), "abc");
});
