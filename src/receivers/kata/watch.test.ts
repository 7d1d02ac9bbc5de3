import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { poll } from "../../../test/e2e/poll.ts";
import { RootWatch } from "./watch.ts";

interface Scene {
  readonly dir: string;
  readonly root: string;
  readonly watch: RootWatch;
  hints(): number;
  /** Lets what is under way be reported, so that the next hint is of what follows. */
  quiet(): Promise<void>;
  /** Makes a directory in the root, which must bring a hint. */
  checkSeen(name: string): Promise<void>;
}

async function withWatch(play: (scene: Scene) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "watch-"));
  const root = join(dir, "run/vc/sbs");
  let count = 0;
  const watch = new RootWatch({ path: root, onHint: () => count++, onError: (error) => assert.fail(error) });
  const quiet = async (): Promise<void> => {
    let before = -1;
    await poll("no more hints", async () => {
      const still = before === count && count > 0;
      before = count;
      // chokidar holds the end of a file back for 100 ms, in which it may come again.
      await new Promise((resolve) => setTimeout(resolve, 110));
      return still || undefined;
    });
  };
  const checkSeen = async (name: string): Promise<void> => {
    const before = count;
    await mkdir(join(root, name));
    await poll(`a hint of ${name}`, () => count > before || undefined, 5_000);
    await quiet();
  };
  try {
    await play({ dir, root, watch, hints: () => count, quiet, checkSeen });
  } finally {
    await watch.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/** How many inotify watches the process has. */
async function inotifyWatches(): Promise<number> {
  let count = 0;
  for (const fd of await readdir("/proc/self/fdinfo")) {
    const text = await readFile(`/proc/self/fdinfo/${fd}`, "utf8").catch(() => "");
    count += text.match(/^inotify /gm)?.length ?? 0;
  }
  return count;
}

test("directories that come and go bring hints, and so does the watch's own beginning", () =>
  withWatch(async ({ root, watch, hints, quiet, checkSeen }) => {
    await mkdir(root, { recursive: true });
    watch.arm();
    await poll("the first hint", () => hints() > 0 || undefined);
    await quiet();
    await checkSeen("a");
    const before = hints();
    await rm(join(root, "a"), { recursive: true });
    await poll("a hint of its end", () => hints() > before || undefined);
  }));

test("a root that is made later, several levels deep, is seen without another arming", () =>
  withWatch(async ({ root, watch, hints, quiet, checkSeen }) => {
    watch.arm();
    await quiet();
    const before = hints();
    await mkdir(root, { recursive: true });
    await poll("a hint of the root", () => hints() > before || undefined);
    await quiet();
    await checkSeen("a");
  }));

test("a root that is removed and made again, or swapped, stays watched without another arming", () =>
  withWatch(async ({ root, watch, quiet, checkSeen }) => {
    await mkdir(root, { recursive: true });
    watch.arm();
    await quiet();
    await rm(root, { recursive: true });
    await quiet();
    await mkdir(root);
    await quiet();
    await checkSeen("a");
    await mkdir(`${root}.new`);
    await rename(root, `${root}.old`);
    await rename(`${root}.new`, root);
    await quiet();
    await checkSeen("b");
  }));

test("what leads to the root may be replaced: the next arming notices", () =>
  withWatch(async ({ root, watch, quiet, checkSeen }) => {
    await mkdir(root, { recursive: true });
    watch.arm();
    await quiet();
    await rename(dirname(root), `${dirname(root)}.old`);
    await mkdir(root, { recursive: true });
    watch.arm();
    await quiet();
    await checkSeen("a");
  }));

test("a root may be a link, which the next arming follows elsewhere", () =>
  withWatch(async ({ dir, root, watch, quiet, checkSeen }) => {
    await mkdir(join(dir, "one"));
    await mkdir(join(dir, "two"));
    await mkdir(dirname(root), { recursive: true });
    await symlink(join(dir, "one"), root);
    watch.arm();
    await quiet();
    await checkSeen("a");
    await rm(root);
    await symlink(join(dir, "two"), root);
    watch.arm();
    await quiet();
    await checkSeen("b");
  }));

test("sandboxes and what is beside the root cost no watch, and what is in them no hint", () =>
  withWatch(async ({ root, watch, hints, quiet }) => {
    await mkdir(root, { recursive: true });
    for (let i = 0; i < 50; i++) {
      await mkdir(join(root, `s${i}`));
      await mkdir(join(dirname(root), `beside${i}`));
    }
    const before = await inotifyWatches();
    watch.arm();
    await quiet();
    assert.equal((await inotifyWatches()) - before, 2);
    const hinted = hints();
    await writeFile(join(root, "s1/persist.json"), "{}");
    await mkdir(join(dirname(root), "beside"));
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(hints(), hinted);
  }));

test("arming again without need changes nothing, and nothing is left after the close", () =>
  withWatch(async ({ root, watch, hints, quiet }) => {
    await mkdir(root, { recursive: true });
    const before = await inotifyWatches();
    watch.arm();
    await quiet();
    const hinted = hints();
    watch.arm();
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(hints(), hinted);
    await watch.close();
    await poll("no watches", async () => (await inotifyWatches()) === before || undefined);
    await watch.close();
  }));
