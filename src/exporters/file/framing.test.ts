// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Framing, lengthPrefixed, lines } from "./framing.ts";

const LINES = lines('{"resourceMetrics":[');
const PREFIXED = lengthPrefixed(Uint8Array.of(0x0a));

const text = (body: string): Buffer => LINES.record(Buffer.from(`{"resourceMetrics":[${body}`));
const binary = (length: number): Buffer => PREFIXED.record(Buffer.alloc(length, 0xee).fill(0x0a, 0, 1));

/** The end of the last whole record. A read beyond the end of the file fails the test. */
function wholeEnd(framing: Framing, bytes: Buffer): Promise<number> {
  return framing.wholeEnd(
    (position, length) => Promise.resolve(bytes.subarray(position, position + length)),
    bytes.length,
  );
}

test("a line ends with a newline; other records have their length in front, the most significant byte first", () => {
  assert.equal(String(text("]}")), '{"resourceMetrics":[]}\n');
  assert.deepEqual([...binary(2)], [0, 0, 0, 2, 0x0a, 0xee]);
  assert.equal(binary(70_000).readUInt32BE(0), 70_000);
});

test("a file of whole records ends behind the last one", async () => {
  const check = async (framing: Framing, records: readonly Buffer[]): Promise<void> => {
    const bytes = Buffer.concat(records);
    assert.equal(await wholeEnd(framing, bytes), bytes.length);
  };
  await check(LINES, []);
  await check(LINES, [text("1]}"), text("2]}")]);
  await check(PREFIXED, []);
  await check(PREFIXED, [binary(3), binary(65_536), binary(1), binary(200_000)]);
  await check(
    PREFIXED,
    Array.from({ length: 5_000 }, (_, index) => binary(1 + (index % 97))),
  );
});

test("a record that is cut off anywhere is not whole, also in a file that is longer than one read", async () => {
  const check = async (framing: Framing, before: readonly Buffer[], last: Buffer): Promise<void> => {
    const whole = Buffer.concat(before);
    const bytes = Buffer.concat([whole, last]);
    for (let cut = whole.length; cut < bytes.length; cut++)
      assert.equal(await wholeEnd(framing, bytes.subarray(0, cut)), whole.length, `cut at ${cut}`);
  };
  const long = `${"x".repeat(100_000)}]}`;
  await check(LINES, [], text("1]}"));
  await check(LINES, [text("1]}"), text(long)], text("22]}"));
  await check(PREFIXED, [], binary(20));
  await check(PREFIXED, [binary(7), binary(100_000)], binary(300));
  const torn = text(long).subarray(0, -1);
  assert.equal(await wholeEnd(LINES, Buffer.concat([text("1]}"), torn])), text("1]}").length);
});

test("zeros behind the last record, which a loss of power leaves, are no record", async () => {
  const zeros = Buffer.alloc(150_000);
  assert.equal(await wholeEnd(LINES, Buffer.concat([text("1]}"), zeros])), text("1]}").length);
  assert.equal(await wholeEnd(PREFIXED, Buffer.concat([binary(9), zeros])), binary(9).length);
});

test("bytes that are not of this format are not cut off", async () => {
  const check = async (framing: Framing, ...parts: readonly Buffer[]): Promise<void> => {
    await assert.rejects(wholeEnd(framing, Buffer.concat(parts)), /^Error: no record begins at byte \d+;/);
  };
  await check(LINES, Buffer.from("a text without an end"));
  await check(LINES, text("1]}"), Buffer.from('{"resourceSpans":['));
  await check(LINES, binary(50));
  await check(PREFIXED, text("1]}"));
  await check(PREFIXED, binary(50), text("1]}"));
  await check(PREFIXED, Buffer.from("\n\n\n\n\n\n"));
  await check(PREFIXED, binary(50), Buffer.alloc(100_000), binary(50));
});
