// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync, inflateSync, zstdDecompressSync } from "node:zlib";
import { uncompress } from "snappyjs";
import { readLz4Frame } from "../../test/kit/oracle/lz4.ts";
import { CODECS, type Codec, compressor, LEVELS } from "./compress.ts";
import { fromSnappyFrames } from "./snappy_frames.ts";

const UNCOMPRESS: Readonly<Record<Codec, (bytes: Uint8Array) => Uint8Array>> = {
  gzip: (bytes) => gunzipSync(bytes),
  zstd: (bytes) => zstdDecompressSync(bytes),
  zlib: (bytes) => inflateSync(bytes),
  deflate: (bytes) => inflateSync(bytes),
  snappy: (bytes) => uncompress(new Uint8Array(bytes)),
  "x-snappy-framed": (bytes) => fromSnappyFrames(Buffer.from(bytes), 1_000_000),
  lz4: readLz4Frame,
};

const PLAIN = Buffer.from("kata_guest_load 1\n".repeat(10_000));

test("every codec makes a smaller body, which its decoder reads", async () => {
  for (const codec of CODECS) {
    const packed = await compressor({ codec })(PLAIN);
    assert.ok(packed.length < PLAIN.length / 5, codec);
    assert.ok(PLAIN.equals(UNCOMPRESS[codec](packed)), codec);
  }
});

test("levels reach the codec", async () => {
  for (const codec of CODECS) {
    const limits = LEVELS[codec];
    if (limits === undefined) continue;
    const [fast, small] = await Promise.all([
      compressor({ codec, level: Math.max(1, limits.min) })(PLAIN),
      compressor({ codec, level: limits.max })(PLAIN),
    ]);
    assert.ok(small.length < fast.length, codec);
    assert.ok(PLAIN.equals(UNCOMPRESS[codec](small)), codec);
  }
});
