// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { chmodSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { testFolder } from "../../test/kit/test_folder.ts";
import { ensureDirectory, openOrCreate } from "./create.ts";

const modeOf = (path: string): number => statSync(path).mode & 0o7777;

/** Runs the work under each umask, and puts back what was. */
async function underEach(work: (umask: number) => Promise<void>): Promise<void> {
  const before = process.umask();
  try {
    for (const umask of [0o000, 0o022, 0o077]) {
      process.umask(umask);
      await work(umask);
    }
  } finally {
    process.umask(before);
  }
}

test("new directories have the mode, whatever the umask; existing ones keep theirs", async (context) => {
  const folder = testFolder(context);
  chmodSync(folder, 0o711);
  await underEach(async (umask) => {
    const top = join(folder, `${umask}`);
    await ensureDirectory(join(top, "deep/er"), 0o755);
    for (const path of ["", "deep", "deep/er"]) assert.equal(modeOf(join(top, path)), 0o755);
    await ensureDirectory(join(top, "deep/more/"), 0o750);
    assert.deepEqual([modeOf(join(top, "deep")), modeOf(join(top, "deep/more"))], [0o755, 0o750]);
    await ensureDirectory(top, 0o700);
    assert.equal(modeOf(top), 0o755);
  });
  assert.equal(modeOf(folder), 0o711);
});

test("a new file has the mode, whatever the umask; an existing one keeps its mode and contents", async (context) => {
  const folder = testFolder(context);
  await underEach(async (umask) => {
    const path = join(folder, `${umask}`);
    await (await openOrCreate(path, 0o640)).close();
    assert.equal(modeOf(path), 0o640);
    writeFileSync(path, "kept");
    await (await openOrCreate(path, 0o600)).close();
    assert.deepEqual([modeOf(path), statSync(path).size], [0o640, 4]);
  });
});

test("a link is followed, even to a file that does not exist yet", async (context) => {
  const folder = testFolder(context);
  symlinkSync("there", join(folder, "link"));
  await (await openOrCreate(join(folder, "link"), 0o600)).close();
  assert.equal(modeOf(join(folder, "there")), 0o600);
  await assert.rejects(openOrCreate(join(folder, "none/file"), 0o600), { code: "ENOENT" });
});
