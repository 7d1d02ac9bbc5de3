// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, rmdirSync, statfsSync, writeFileSync } from "node:fs";
import { totalmem } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { getHeapStatistics } from "node:v8";
import { systemMemory } from "./memory.ts";

const MIB = 1024 * 1024;

test("the numbers agree with Node's own", { skip: process.platform !== "linux" }, () => {
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

/** The memory in use while much is allocated, which is garbage afterwards. */
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

const LIMIT_MIB = 96;
/** The file system type of tmpfs in statfs. */
const TMPFS = 0x01021994;

/** A folder for control groups with a memory limit, and the file name of the limit. */
function hierarchy(): { readonly folder: string; readonly limit: string } | undefined {
  const places = [
    { folder: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes" },
    { folder: "/sys/fs/cgroup", limit: "memory.max" },
  ];
  return places.find(({ folder, limit }) => {
    const probe = join(folder, `kata-collector-probe-${process.pid}`);
    try {
      accessSync(folder, constants.W_OK);
      mkdirSync(probe);
      const isThere = existsSync(join(probe, limit));
      rmdirSync(probe);
      return isThere;
    } catch {
      return false;
    }
  });
}

/** Prints the held memory before and after it writes 24 MiB to a file on disk, and then to one in tmpfs. */
const CHILD = `
  import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
  import { systemMemory } from ${JSON.stringify(join(import.meta.dirname, "memory.ts"))};
  const chunk = Buffer.alloc(1024 * 1024, 1);
  const fill = (path) => {
    const fd = openSync(path, "w");
    for (let count = 0; count < 24; count++) writeSync(fd, chunk);
    fsyncSync(fd);
    closeSync(fd);
  };
  const [disk, tmpfs] = process.argv.slice(1);
  systemMemory.collect(true);
  const found = [systemMemory.read()];
  for (const path of [disk, tmpfs]) {
    fill(path);
    found.push(systemMemory.read());
  }
  for (const path of [disk, tmpfs]) rmSync(path);
  console.log(JSON.stringify(found));
`;

const where = hierarchy();
const isTmpfs = existsSync("/dev/shm") && statfsSync("/dev/shm").type === TMPFS;
const skip =
  where === undefined || !isTmpfs
    ? "needs root, control groups with a memory controller and /dev/shm"
    : false;

test("in a real control group, pages of files on disk are not held, and files in tmpfs are", { skip }, () => {
  assert.ok(where !== undefined);
  const group = join(where.folder, `kata-collector-test-${process.pid}`);
  mkdirSync(group);
  try {
    writeFileSync(join(group, where.limit), String(LIMIT_MIB * MIB));
    const enter = `echo $$ > ${join(group, "cgroup.procs")} && exec "$0" --input-type=module -e "$@"`;
    const name = `kata-collector-test-${process.pid}`;
    const files = [join("/var/tmp", name), join("/dev/shm", name)];
    const text = execFileSync("sh", ["-c", enter, process.execPath, CHILD, ...files], { encoding: "utf8" });
    const [before, disk, tmpfs] = JSON.parse(text) as { heldBytes: number; availableBytes: number }[];
    assert.ok(before !== undefined && disk !== undefined && tmpfs !== undefined);
    assert.equal(before.availableBytes, LIMIT_MIB * MIB);
    const more = (later: { heldBytes: number }, earlier: { heldBytes: number }): number =>
      (later.heldBytes - earlier.heldBytes) / MIB;
    assert.ok(more(disk, before) < 12, `${more(disk, before)} MiB more are held for a file on disk`);
    assert.ok(more(tmpfs, disk) > 20, `${more(tmpfs, disk)} MiB more are held for a file in tmpfs`);
  } finally {
    rmdirSync(group);
  }
});
