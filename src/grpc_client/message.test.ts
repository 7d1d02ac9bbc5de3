// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { fromSnappyFrames, toSnappyFrames } from "../compression/snappy_frames.ts";
import { ANSWER_BYTES_MAX, frameMessage, type MessageEncoding, readMessage } from "./message.ts";

const PLAIN = Buffer.from("kata ".repeat(1_000));
const PARTS = [PLAIN.subarray(0, 7), PLAIN.subarray(7)];

test("a message has a flag, its length, and the bytes of its parts", async () => {
  const check = async (encoding: MessageEncoding, read: (bytes: Buffer) => Buffer): Promise<void> => {
    for (const parts of [PARTS, [PLAIN]]) {
      const frame = Buffer.concat(await frameMessage(parts, encoding));
      assert.equal(frame.readUInt8(0), encoding === "identity" ? 0 : 1, encoding);
      assert.equal(frame.readUInt32BE(1), frame.length - 5, encoding);
      assert.ok(PLAIN.equals(read(frame.subarray(5))), encoding);
    }
  };
  await check("identity", (bytes) => bytes);
  await check("gzip", gunzipSync);
  await check("zstd", zstdDecompressSync);
  await check("snappy", (bytes) => fromSnappyFrames(bytes, 10_000));
  assert.deepEqual(Buffer.concat(await frameMessage([], "identity")), Buffer.alloc(5));
});

function frame(flag: number, message: Buffer): Buffer {
  const prefix = Buffer.alloc(5, flag);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

test("an answer's message is read in every encoding; one that cannot be decompressed is returned as it came", () => {
  const check = (answer: Buffer, encoding: string, want: Buffer): void =>
    assert.deepEqual(Buffer.from(readMessage(answer, encoding)), want, encoding);
  const message = Buffer.from("fine");
  check(frame(0, message), "gzip", message);
  check(frame(1, gzipSync(message)), "gzip", message);
  check(frame(1, zstdCompressSync(message)), "zstd", message);
  check(frame(1, toSnappyFrames(message)), "snappy", message);
  check(Buffer.alloc(0), "identity", Buffer.alloc(0));
  check(Buffer.alloc(4), "identity", Buffer.alloc(0));
  check(frame(1, message), "gzip", message);
  check(frame(1, message), "br", message);
  const bomb = gzipSync(Buffer.alloc(ANSWER_BYTES_MAX + 1));
  check(frame(1, bomb), "gzip", bomb);
});
