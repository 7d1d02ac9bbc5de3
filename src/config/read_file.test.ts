import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readConfigFile, reasonOf } from "./read_file.ts";
import { CONFIG_BYTES_MAX } from "./yaml.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "config-"));
});
after(() => rm(folder, { recursive: true }));

test("a file is read whole, up to the limit and a byte", async () => {
  const check = async (bytes: number, want: number): Promise<void> => {
    const path = join(folder, `${bytes}`);
    await writeFile(path, Buffer.alloc(bytes, "x"));
    assert.equal((await readConfigFile(path)).length, want);
  };
  await check(0, 0);
  await check(100_000, 100_000);
  await check(CONFIG_BYTES_MAX, CONFIG_BYTES_MAX);
  await check(CONFIG_BYTES_MAX * 2, CONFIG_BYTES_MAX + 1);
});

test("a device without an end is left at the limit", async () => {
  assert.equal((await readConfigFile("/dev/zero")).length, CONFIG_BYTES_MAX + 1);
});

test("what cannot be read says why in a few words", async () => {
  const check = async (path: string, want: string): Promise<void> => {
    const error = await readConfigFile(path).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.equal(reasonOf(error), want);
  };
  await check(folder, "it is a directory");
  await check(join(folder, "none"), "no such file");
  assert.equal(reasonOf(new Error("odd")), "odd");
});
