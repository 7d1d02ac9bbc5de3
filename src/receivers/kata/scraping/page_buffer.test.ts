// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { PageBuffer, PageMemory } from "./page_buffer.ts";

const KIB = 1_024;

function fill(buffer: PageBuffer, bytes: number): boolean {
  return buffer.append(Buffer.alloc(bytes, "x"), 0, bytes);
}

test("the buffer begins with the appended bytes, and has room after them", () => {
  const buffer = new PageBuffer(new PageMemory(10_000 * KIB));
  assert.ok(buffer.bytes.length >= 16, "an empty page has room behind it too");
  assert.ok(buffer.append(Buffer.from("-abc-"), 1, 4));
  assert.ok(buffer.append(Buffer.from("def"), 0, 3));
  assert.equal(buffer.bytes.toString("latin1", 0, buffer.length), "abcdef");
  assert.ok(fill(buffer, 600 * KIB));
  assert.equal(buffer.bytes.toString("latin1", 0, 7), "abcdefx");
  assert.ok(buffer.bytes.length - buffer.length >= 16);
});

test("the memory of a large page is freed, and that of a usual page is kept", () => {
  const memory = new PageMemory(10_000 * KIB);
  const buffer = new PageBuffer(memory);
  assert.ok(fill(buffer, 100 * KIB));
  const usual = memory.bytes;
  buffer.clear();
  assert.equal(memory.bytes, usual);
  assert.ok(fill(buffer, 2_000 * KIB));
  assert.ok(memory.bytes > 2_000 * KIB);
  buffer.clear();
  assert.ok(memory.bytes <= usual);
  assert.equal(buffer.length, 0);
});

test("endless large pages leave room for usual ones", () => {
  const memory = new PageMemory(4_000 * KIB);
  const large = Array.from({ length: 10 }, () => new PageBuffer(memory));
  for (const buffer of large) while (buffer.append(Buffer.alloc(100 * KIB), 0, 100 * KIB));
  assert.ok(memory.bytes > 3_500 * KIB && memory.bytes <= memory.bytesMax);
  for (let count = 0; count < 10; count++) assert.ok(fill(new PageBuffer(memory), 200 * KIB));
});

test("all pages together stay within the memory, and a page that found none can try again", () => {
  const memory = new PageMemory(4_000 * KIB);
  const [one, other] = [new PageBuffer(memory), new PageBuffer(memory)];
  assert.ok(fill(one, 1_500 * KIB));
  assert.ok(!fill(other, 3_000 * KIB));
  assert.ok(memory.bytes <= memory.bytesMax);
  one.clear();
  other.clear();
  assert.ok(fill(other, 3_000 * KIB), "room for it, though not for twice of it");
});
