// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { type GroupMemory, readGroupMemory } from "./cgroup.ts";

const NO_LIMIT = "9223372036854771712";
const MIB = 1024 * 1024;

/** The group memory in a file system with these files. */
function found(context: TestContext, files: Readonly<Record<string, string>>): GroupMemory {
  const root = mkdtempSync(join(tmpdir(), "cgroup-"));
  context.after(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  }
  return readGroupMemory(root);
}

function checkLimit(
  context: TestContext,
  files: Readonly<Record<string, string>>,
  wanted: number | undefined,
): void {
  assert.equal(found(context, files).limitBytes, wanted);
}

/** The number of bytes as the kernel writes it, of a number of MiB. */
function stat(mib: Readonly<Record<string, number>>): string {
  return Object.entries(mib)
    .map(([name, size]) => `${name} ${size * MIB}`)
    .join("\n");
}

test("version 2: the least limit from the group up", (context) => {
  const own = "0::/kubepods.slice/pod1/container";
  const base = "sys/fs/cgroup";
  const container = `${base}/kubepods.slice/pod1/container/memory.max`;
  checkLimit(context, { "proc/self/cgroup": own, [container]: "200" }, 200);
  checkLimit(
    context,
    {
      "proc/self/cgroup": own,
      [container]: "max",
      [`${base}/kubepods.slice/pod1/memory.max`]: "300",
      [`${base}/kubepods.slice/memory.max`]: "400",
    },
    300,
  );
  checkLimit(context, { "proc/self/cgroup": own, [container]: "max" }, undefined);
  checkLimit(context, { "proc/self/cgroup": "0::/", [`${base}/memory.max`]: "500" }, 500);
  checkLimit(context, { "proc/self/cgroup": "0::/../other", [`${base}/memory.max`]: "600" }, 600);
});

test("version 1: the group's limit, the container's if only that is visible, or that of a group above", (context) => {
  const own = `12:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/docker/abc`;
  const base = "sys/fs/cgroup/memory";
  const limit = `${base}/memory.limit_in_bytes`;
  const groups = { "proc/self/cgroup": own };
  checkLimit(
    context,
    { ...groups, [`${base}/docker/abc/memory.limit_in_bytes`]: "200", [limit]: NO_LIMIT },
    200,
  );
  checkLimit(context, { ...groups, [limit]: "300" }, 300);
  checkLimit(context, { ...groups, [limit]: NO_LIMIT }, undefined);
  const inherited = {
    [`${base}/memory.stat`]: "hierarchical_memory_limit 250",
    [`${base}/memory.usage_in_bytes`]: "9",
  };
  checkLimit(context, { ...groups, [limit]: "300", ...inherited }, 250);
  checkLimit(context, { ...groups, [limit]: NO_LIMIT, ...inherited }, 250);
});

test("both versions: the least limit", (context) => {
  checkLimit(
    context,
    {
      "proc/self/cgroup": "4:memory:/a\n0::/a",
      "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "200",
      "sys/fs/cgroup/unified/a/memory.max": "100",
    },
    100,
  );
});

test("without control groups there is no limit", (context) => {
  const nothing = { limitBytes: undefined, heldBytes: undefined };
  assert.deepEqual(found(context, {}), nothing);
  assert.deepEqual(found(context, { "proc/self/cgroup": "nonsense\n::\n4:memory" }), nothing);
});

test("version 2: pages of files that are on their disk and the kernel's caches are not held", (context) => {
  const group = "sys/fs/cgroup/kata.service";
  const files = (limit: string) => ({
    "proc/self/cgroup": "0::/kata.service",
    [`${group}/memory.max`]: limit,
    [`${group}/memory.current`]: String(180 * MIB),
    [`${group}/memory.stat`]: stat({
      ...{ anon: 60, file: 100, kernel: 20, shmem: 8, file_mapped: 40, file_dirty: 5, file_writeback: 1 },
      ...{ inactive_anon: 64, active_anon: 4, inactive_file: 50, active_file: 42, unevictable: 0 },
      ...{ slab_reclaimable: 12, slab_unreclaimable: 6 },
    }),
  });
  assert.equal(found(context, files(String(192 * MIB))).heldBytes, (180 - (50 + 42 - 5 - 1) - 12) * MIB);
  assert.equal(found(context, files("max")).heldBytes, undefined, "what others take there ends nobody");
});

test("version 1: the same, with the memory of the groups below", (context) => {
  const group = "sys/fs/cgroup/memory/docker/abc";
  const files = (limit: string) => ({
    "proc/self/cgroup": "4:memory:/docker/abc",
    [`${group}/memory.limit_in_bytes`]: limit,
    [`${group}/memory.usage_in_bytes`]: String(150 * MIB),
    [`${group}/memory.stat`]: stat({
      ...{ cache: 10, rss: 30, inactive_file: 4, active_file: 4, dirty: 0 },
      ...{ total_cache: 90, total_rss: 45, total_shmem: 10, total_dirty: 3, total_writeback: 2 },
      ...{ total_inactive_file: 55, total_active_file: 25, total_unevictable: 0 },
    }),
  });
  assert.equal(found(context, files(String(192 * MIB))).heldBytes, (150 - (55 + 25 - 3 - 2)) * MIB);
  assert.equal(found(context, files(NO_LIMIT)).heldBytes, undefined);
});

test("numbers that were read at different times do not make the result negative", (context) => {
  const group = "sys/fs/cgroup/kata.service";
  const files = (used: number, fields: Readonly<Record<string, number>>) => ({
    "proc/self/cgroup": "0::/kata.service",
    [`${group}/memory.max`]: String(192 * MIB),
    [`${group}/memory.current`]: String(used * MIB),
    [`${group}/memory.stat`]: stat(fields),
  });
  assert.equal(found(context, files(10, { inactive_file: 20 })).heldBytes, 0);
  assert.equal(found(context, files(10, { inactive_file: 1, file_dirty: 3 })).heldBytes, 10 * MIB);
});
