// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readLz4Frame } from "../../test/kit/oracle/lz4.ts";
import { toLz4Frame } from "./lz4_frames.ts";

test("any bytes are the same after compressing and decompressing, repeated or not", () => {
  const piece = fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 600 }));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const plain = Buffer.concat(
        pieces.flatMap(([bytes, times]) => new Array<Uint8Array>(times).fill(bytes)),
      );
      assert.ok(plain.equals(readLz4Frame(toLz4Frame(plain))));
    }),
  );
});

test("short bodies, and those with lengths around a token's limit, are the same after decompressing", () => {
  for (let length = 0; length < 300; length++) {
    const same = Buffer.alloc(length, "a");
    assert.ok(same.equals(readLz4Frame(toLz4Frame(same))), String(length));
    const all = Buffer.from(Array.from({ length }, (_, index) => (index * 167 + (index >> 3)) & 0xff));
    assert.ok(all.equals(readLz4Frame(toLz4Frame(all))), String(length));
  }
});

test("a body of more than one block, with a part that cannot be compressed, is the same after decompressing", () => {
  const noise = new Uint8Array(4 * 1024 * 1024 + 1_000);
  for (let at = 0, state = 1; at < noise.length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    noise[at] = state >>> 24;
  }
  const frame = toLz4Frame(noise);
  assert.ok(frame.length <= noise.length + 30, "what does not get smaller is kept plain");
  assert.ok(Buffer.from(noise).equals(readLz4Frame(frame)));
});
