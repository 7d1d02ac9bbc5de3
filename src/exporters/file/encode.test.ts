// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { Interner } from "../../metrics/interner.ts";
import { createOtlpEncoder } from "../../otlp/encode.ts";
import { requestJson } from "../../otlp/json.ts";
import { type EncodingOptions, encodingOf } from "./encode.ts";

const interner = new Interner();
const point = { attributes: [], bounds: [], boundTexts: [] };
const family = interner.family({ name: "a", kind: "gauge", unit: "", help: "", points: [point] });
const encoder = createOtlpEncoder({ name: "test", version: "0" });
const entry = (id: string) =>
  encoder.reading(
    {
      resource: { key: id, attributes: [{ key: "id", value: id }] },
      schema: interner.schema([family]),
      values: Float64Array.of(1),
      timeMs: 1,
      startMs: 0,
    },
    undefined,
  );
const REQUEST = encoder.encode([entry("1"), entry("2")], 1_000_000)[0]?.bytes ?? new Uint8Array(0);
const JSON_TEXT = [...requestJson(REQUEST)].join("");
const never = new AbortController().signal;

async function check(options: EncodingOptions, payloadOf: (record: Buffer) => Buffer, want: Uint8Array) {
  const { framing, encode } = encodingOf(options);
  const record = await encode(REQUEST, never);
  assert.deepEqual(payloadOf(record), Buffer.from(want));
  // The framing finds the record whole, and not whole without its last byte.
  const end = (bytes: Buffer): Promise<number> =>
    framing.wholeEnd((at, length) => Promise.resolve(bytes.subarray(at, at + length)), bytes.length);
  assert.equal(await end(record), record.length);
  assert.equal(await end(record.subarray(0, -1)), 0);
}

function behindLength(record: Buffer): Buffer {
  assert.equal(record.readUInt32BE(0), record.length - 4);
  return record.subarray(4);
}

test("JSON is a line, or has its length in front if it is compressed; proto has its length in front", async () => {
  const json = Buffer.from(JSON_TEXT);
  await check({ format: "json", compression: "none" }, (record) => record.subarray(0, -1), json);
  await check({ format: "proto", compression: "none" }, behindLength, REQUEST);
  await check(
    { format: "json", compression: "zstd" },
    (record) => zstdDecompressSync(behindLength(record)),
    json,
  );
  const unpacked = (record: Buffer): Buffer => zstdDecompressSync(behindLength(record));
  await check({ format: "proto", compression: "zstd" }, unpacked, REQUEST);
});

test("an aborted attempt stops between two sandboxes; bytes that are no request are refused", async () => {
  const { encode } = encodingOf({ format: "json", compression: "none" });
  await assert.rejects(encode(REQUEST, AbortSignal.abort()), { name: "AbortError" });
  await assert.rejects(encode(Uint8Array.of(0x0a, 9), never));
});
