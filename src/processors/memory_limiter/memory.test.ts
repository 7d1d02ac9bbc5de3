import assert from "node:assert/strict";
import { totalmem } from "node:os";
import { test } from "node:test";
import { systemMemory } from "./memory.ts";

const MIB = 1024 * 1024;

test("what is read is what Node knows of this process", { skip: process.platform !== "linux" }, () => {
  const { rssBytes, usedBytes } = systemMemory.read();
  const wanted = process.memoryUsage.rss();
  assert.ok(Math.abs(rssBytes - wanted) < 0.1 * wanted, `${rssBytes}, not about ${wanted}`);
  assert.ok(usedBytes <= rssBytes && usedBytes > rssBytes / 2, `${usedBytes} of ${rssBytes}`);
  const total = systemMemory.totalBytes();
  assert.ok(total > rssBytes && total <= totalmem());
});

/** What is in use while there is much of it; nothing of it can be reached afterwards. */
function usedWhileFull(): number {
  const objects = Array.from({ length: 500_000 }, (_, index) => ({ index }));
  const buffers = Array.from({ length: 4_000 }, () => Buffer.alloc(16_384, 1));
  const { usedBytes } = systemMemory.read();
  assert.ok(objects.length + buffers.length > 0);
  return usedBytes;
}

test("garbage on the heap and buffers are in use until they are collected, whatever the process keeps", () => {
  const before = systemMemory.read().usedBytes;
  const full = usedWhileFull();
  assert.ok(full - before > 64 * MIB, `${(full - before) / MIB} MiB more`);
  assert.equal(systemMemory.collect(true), true);
  assert.equal(systemMemory.collect(false), true);
  const after = systemMemory.read().usedBytes;
  assert.ok(after - before < 32 * MIB, `${(after - before) / MIB} MiB are left`);
});

test("collecting leaves no gc behind", () => {
  systemMemory.collect(false);
  assert.equal("gc" in globalThis, false);
});
