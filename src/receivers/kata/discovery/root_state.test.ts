// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { command, lacksMounts, mountExt4, mountTmpfs } from "../../../../test/kit/mounts.ts";
import { stateWithout } from "./root_state.ts";

function withDirectory(play: (dir: string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), "root-state-"));
  try {
    play(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const failed = (code: string): Error => Object.assign(new Error(`${code}: text, opendir`), { code });

test("a root that does not exist is missing, an empty one is readable, and any other fault is named", () =>
  withDirectory((dir) => {
    const file = join(dir, "file");
    writeFileSync(file, "");
    const loop = join(dir, "loop");
    symlinkSync(loop, loop);
    const nowhere = join(dir, "nowhere");
    symlinkSync("a/b", nowhere);
    for (const path of [
      join(dir, "a/b/c"),
      join(dir, "a"),
      join(file, "a"),
      loop,
      nowhere,
      join(nowhere, "a"),
    ])
      assert.deepEqual(stateWithout(path, failed("ENOENT")), { state: "missing" }, path);
    assert.deepEqual(stateWithout(dir), { state: "readable" });
    assert.deepEqual(stateWithout(dir, failed("EIO")), {
      state: "unreadable",
      error: `cannot look at "${dir}": EIO: text`,
    });
  }));

/** Mounts a directory as into a container, removes it on the node's side, calls `play`, and unmounts it. */
function withRemoved(node: string, seen: string, play: (mounted: string) => void): void {
  const source = join(node, "vc");
  const mounted = join(seen, "vc");
  mkdirSync(join(source, "sbs"), { recursive: true });
  mkdirSync(mounted, { recursive: true });
  command("mount", "--bind", source, mounted);
  try {
    assert.deepEqual(stateWithout(mounted), { state: "readable" });
    assert.deepEqual(stateWithout(join(mounted, "sbs")), { state: "readable" });
    assert.deepEqual(stateWithout(join(mounted, "none"), failed("ENOENT")), { state: "missing" });
    rmSync(source, { recursive: true });
    mkdirSync(join(source, "sbs"), { recursive: true });
    play(mounted);
  } finally {
    command("umount", "--lazy", mounted);
  }
}

function removedText(path: string, mounted: string): string {
  const state = stateWithout(path, path === mounted ? undefined : failed("ENOENT"));
  assert.equal(state.state, "removed", path);
  return "error" in state ? state.error : "";
}

const skip = lacksMounts() ?? false;

test("a mount whose directory was removed on the node differs from an empty one", { skip }, () =>
  withDirectory((dir) => {
    const inMemory = mountTmpfs(65_536);
    try {
      withRemoved(inMemory.path, join(dir, "container"), (mounted) => {
        for (const path of [mounted, join(mounted, "sbs"), join(mounted, "a/b")])
          assert.equal(
            removedText(path, mounted),
            `cannot see "${path}": the directory at "${mounted}" was removed on the node while it was mounted here, ` +
              "and what took its place does not show; only a restart of the pod mends it; " +
              "mount its parent directory, or mount it with mountPropagation HostToContainer",
          );
        const link = join(dir, "link");
        symlinkSync("container/vc/sbs", link);
        assert.match(removedText(link, mounted), /the directory at ".*\/container\/vc" was removed/);
      });
    } finally {
      inMemory.close();
    }
  }),
);

test("a removed directory is found on a file system with blocks, too", { skip }, (t) =>
  withDirectory((dir) => {
    let disk: ReturnType<typeof mountExt4>;
    try {
      disk = mountExt4();
    } catch (error) {
      t.skip(String(error));
      return;
    }
    try {
      withRemoved(disk.path, join(dir, "container"), (mounted) => {
        removedText(mounted, mounted);
        removedText(join(mounted, "sbs"), mounted);
      });
    } finally {
      disk.close();
    }
  }),
);

test("a directory that was renamed on the node still has its sandboxes, and is not removed", { skip }, () =>
  withDirectory((dir) => {
    const source = join(dir, "node");
    const mounted = join(dir, "container");
    mkdirSync(source);
    mkdirSync(mounted);
    command("mount", "--bind", source, mounted);
    try {
      renameSync(source, `${source}.old`);
      mkdirSync(source);
      assert.deepEqual(stateWithout(mounted), { state: "readable" });
    } finally {
      command("umount", "--lazy", mounted);
    }
  }),
);
