// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, writeFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { poll } from "../../../../test/kit/poll.ts";
import { RootWatch } from "./root_watch.ts";

interface Scene {
  readonly dir: string;
  readonly root: string;
  readonly watch: RootWatch;
  readonly names: string[];
  /** The number of hints that the root itself is gone. */
  rootHints(): number;
  /** Makes a directory in the root and waits for its hint. The hints of earlier changes have come then, too. */
  checkSeen(name: string): Promise<void>;
}

async function withWatch(play: (scene: Scene) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "watch-"));
  const root = join(dir, "run/vc/sbs");
  const names: string[] = [];
  let rootHints = 0;
  const watch = new RootWatch({
    path: root,
    onName: (name) => names.push(name),
    onRoot: () => rootHints++,
    onError: (error) => assert.fail(error),
  });
  const checkSeen = async (name: string): Promise<void> => {
    await mkdir(join(root, name));
    await poll(`a hint of ${name}`, () => names.includes(name) || undefined, 5_000);
  };
  try {
    await play({ dir, root, watch, names, rootHints: () => rootHints, checkSeen });
  } finally {
    watch.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Returns how many inotify watches the process has. */
async function inotifyWatches(): Promise<number> {
  let count = 0;
  for (const fd of await readdir("/proc/self/fdinfo")) {
    const text = await readFile(`/proc/self/fdinfo/${fd}`, "utf8").catch(() => "");
    count += text.match(/^inotify /gm)?.length ?? 0;
  }
  return count;
}

test("directories that come and go are hinted at by their names", () =>
  withWatch(async ({ root, watch, names, checkSeen }) => {
    await mkdir(root, { recursive: true });
    watch.arm();
    await checkSeen("a");
    await rm(join(root, "a"), { recursive: true });
    await checkSeen("b");
    await rename(join(root, "b"), join(root, "c"));
    await checkSeen("d");
    assert.deepEqual(names, ["a", "a", "b", "b", "c", "d"]);
  }));

test("the watch sees whether its path leads elsewhere, and watches the new directory when it is armed again", () =>
  withWatch(async ({ dir, root, watch, names, checkSeen }) => {
    watch.arm();
    assert.ok(!watch.leadsElsewhere(), "it is not there yet");
    const ways: Readonly<Record<string, () => Promise<unknown>>> = {
      made: () => mkdir(root, { recursive: true }),
      "removed and made again": () => rm(root, { recursive: true }).then(() => mkdir(root)),
      swapped: async () => {
        await mkdir(`${root}.new`);
        await rename(root, `${root}.old`);
        await rename(`${root}.new`, root);
      },
      "its parent replaced": async () => {
        await rename(dirname(root), `${dirname(root)}.old`);
        await mkdir(root, { recursive: true });
      },
      "a link": async () => {
        await mkdir(join(dir, "one"));
        await rm(root, { recursive: true });
        await symlink(join(dir, "one"), root);
      },
      "the link turned": async () => {
        await mkdir(join(dir, "two"));
        await rm(root);
        await symlink(join(dir, "two"), root);
      },
    };
    for (const [way, change] of Object.entries(ways)) {
      await change();
      assert.ok(watch.leadsElsewhere(), way);
      watch.arm();
      assert.ok(!watch.leadsElsewhere(), way);
      names.length = 0;
      await checkSeen(`after ${way}`);
    }
    await rm(root);
    assert.ok(watch.leadsElsewhere(), "gone");
    watch.arm();
    assert.ok(!watch.leadsElsewhere(), "gone, and known to be");
  }));

test("the end of the root causes a hint at once", () =>
  withWatch(async ({ root, watch, rootHints, checkSeen }) => {
    await mkdir(root, { recursive: true });
    watch.arm();
    await checkSeen("a");
    await rm(root, { recursive: true });
    await poll("the hint", () => rootHints() > 0 || undefined, 5_000);
    await mkdir(root);
    watch.arm();
    await checkSeen("b");
  }));

test("writes next to the root, into its files and into its sandboxes cause no hints", () =>
  withWatch(async ({ root, watch, names, rootHints, checkSeen }) => {
    await mkdir(join(root, "sandbox"), { recursive: true });
    const beside = join(dirname(root), "beside");
    const above = join(dirname(dirname(root)), "above");
    const inRoot = join(root, "file");
    for (const file of [beside, above, inRoot]) await writeFile(file, "");
    watch.arm();
    for (let i = 0; i < 1_000; i++) {
      for (const file of [beside, above, inRoot]) appendFileSync(file, "x");
      writeFileSync(join(root, "sandbox", `${i}`), "");
    }
    await mkdir(join(dirname(root), "directory beside"));
    await checkSeen("after them");
    assert.deepEqual(names, ["after them"]);
    assert.equal(rootHints(), 0);
  }));

test("a changed mode causes at most one hint, and the root is still watched", () =>
  withWatch(async ({ root, watch, names, rootHints, checkSeen }) => {
    await mkdir(join(root, "sandbox"), { recursive: true });
    watch.arm();
    for (let i = 0; i < 100; i++) {
      await chmod(join(root, "sandbox"), 0o700 + (i % 8));
      await chmod(root, 0o700 + (i % 8));
    }
    await checkSeen("after them");
    assert.deepEqual([...new Set(names)], ["sandbox", "sbs", "after them"]);
    assert.equal(rootHints(), 0);
  }));

test("a root costs one inotify watch, whatever is in it and next to it; arming it again costs none, and closing frees it", () =>
  withWatch(async ({ root, watch }) => {
    for (let i = 0; i < 50; i++) {
      await mkdir(join(root, `s${i}`), { recursive: true });
      await mkdir(join(dirname(root), `beside${i}`));
    }
    const before = await inotifyWatches();
    watch.arm();
    watch.arm();
    assert.equal(await inotifyWatches(), before + 1);
    watch.close();
    assert.equal(await inotifyWatches(), before);
  }));

/** Arms a watch in a user namespace in which this limit of inotify is used up. */
function armWithout(limit: "instances" | "watches"): {
  status: number | null;
  stdout: string;
  stderr: string;
} {
  const script = `
    const { RootWatch } = await import(${JSON.stringify(join(import.meta.dirname, "root_watch.ts"))});
    const watch = new RootWatch({
      path: "/", onName() {}, onRoot() {},
      onError: (error) => console.log(error.code),
    });
    watch.arm();
    watch.arm();
    process.exit();`;
  const shell = `echo 0 > /proc/sys/user/max_inotify_${limit} && exec "$0" --input-type=module -e "$1"`;
  const args = ["-U", "-r", "sh", "-c", shell, process.execPath, script];
  return spawnSync("unshare", args, { encoding: "utf8" });
}

test("a node without a free inotify watch is reported once, however often the watch is armed", (t) => {
  for (const [limit, code] of [
    ["instances", "EMFILE"],
    ["watches", "ENOSPC"],
  ] as const) {
    const { status, stdout, stderr } = armWithout(limit);
    if (status !== 0) return t.skip(`no user namespace here: ${stderr}`);
    assert.equal(stdout, `${code}\n`);
  }
});
