import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { cgroupMemoryLimit } from "./cgroup.ts";

const NO_LIMIT = "9223372036854771712";

/** The limit that is found in a file system with these files. */
function check(context: TestContext, files: Readonly<Record<string, string>>, wanted: number | undefined) {
  const root = mkdtempSync(join(tmpdir(), "cgroup-"));
  context.after(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  }
  assert.equal(cgroupMemoryLimit(root), wanted);
}

test("version 2: the least limit from the group up", (context) => {
  const own = "0::/kubepods.slice/pod1/container";
  const base = "sys/fs/cgroup";
  check(
    context,
    { "proc/self/cgroup": own, [`${base}/kubepods.slice/pod1/container/memory.max`]: "200" },
    200,
  );
  check(
    context,
    {
      "proc/self/cgroup": own,
      [`${base}/kubepods.slice/pod1/container/memory.max`]: "max",
      [`${base}/kubepods.slice/pod1/memory.max`]: "300",
      [`${base}/kubepods.slice/memory.max`]: "400",
    },
    300,
  );
  check(
    context,
    { "proc/self/cgroup": own, [`${base}/kubepods.slice/pod1/container/memory.max`]: "max" },
    undefined,
  );
  check(context, { "proc/self/cgroup": "0::/", [`${base}/memory.max`]: "500" }, 500);
  check(context, { "proc/self/cgroup": "0::/../other", [`${base}/memory.max`]: "600" }, 600);
});

test("version 1: the group's limit, or the container's where only that is to be seen", (context) => {
  const own = `12:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/docker/abc`;
  const base = "sys/fs/cgroup/memory";
  check(
    context,
    {
      "proc/self/cgroup": own,
      [`${base}/docker/abc/memory.limit_in_bytes`]: "200",
      [`${base}/memory.limit_in_bytes`]: NO_LIMIT,
    },
    200,
  );
  check(context, { "proc/self/cgroup": own, [`${base}/memory.limit_in_bytes`]: "300" }, 300);
  check(context, { "proc/self/cgroup": own, [`${base}/memory.limit_in_bytes`]: NO_LIMIT }, undefined);
});

test("both versions: the least", (context) => {
  check(
    context,
    {
      "proc/self/cgroup": "4:memory:/a\n0::/a",
      "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "200",
      "sys/fs/cgroup/unified/a/memory.max": "100",
    },
    100,
  );
});

test("where there is nothing to read, nothing limits", (context) => {
  check(context, {}, undefined);
  check(context, { "proc/self/cgroup": "nonsense\n::\n4:memory" }, undefined);
});
