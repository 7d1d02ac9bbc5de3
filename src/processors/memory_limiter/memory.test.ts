import assert from "node:assert/strict";
import { totalmem } from "node:os";
import { test } from "node:test";
import { getHeapStatistics } from "node:v8";
import { systemMemory } from "./memory.ts";

const MIB = 1024 * 1024;

test("what is read is what Node knows of this process", { skip: process.platform !== "linux" }, () => {
  const { heldBytes, usedBytes, availableBytes, reachBytes } = systemMemory.read();
  const { rss, heapUsed } = process.memoryUsage();
  assert.ok(
    usedBytes <= heldBytes && usedBytes > heapUsed,
    `${heapUsed} of the heap in ${usedBytes} of ${heldBytes}`,
  );
  assert.ok(availableBytes > heldBytes && availableBytes <= totalmem());
  const { heap_size_limit } = getHeapStatistics();
  assert.ok(reachBytes > heap_size_limit && reachBytes < heap_size_limit + rss, `${reachBytes}`);
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
