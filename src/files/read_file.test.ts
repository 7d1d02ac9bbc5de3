// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CONFIG_BYTES_MAX } from "../config/yaml.ts";
import { readConfigFile, readSteadyFile, reasonOf } from "./read_file.ts";

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

test("a device without an end is read up to the limit", async () => {
  assert.equal((await readConfigFile("/dev/zero")).length, CONFIG_BYTES_MAX + 1);
});

/** A new named pipe. */
function pipe(name: string): string {
  const path = join(folder, name);
  execFileSync("mkfifo", [path]);
  return path;
}

test("a pipe is read to its end, whoever comes first and in however many pieces", async () => {
  const path = pipe("pieces");
  const reading = readConfigFile(path);
  const writer = await open(path, "w");
  await writer.write("one ");
  await writer.write("two");
  await writer.close();
  assert.equal(Buffer.from(await reading).toString(), "one two");
});

test("a pipe without an end is read up to the limit", async () => {
  const path = pipe("endless");
  const writer = spawn("sh", ["-c", 'exec yes > "$0"', path]);
  const ended = once(writer, "exit");
  assert.equal((await readConfigFile(path)).length, CONFIG_BYTES_MAX + 1);
  await ended;
});

test("waiting for a pipe ends when the command is told to stop, before and while it waits", async () => {
  const path = pipe("silent");
  const stop = new AbortController();
  const reading = readConfigFile(path, stop.signal);
  const writer = await open(path, "w");
  stop.abort("SIGTERM");
  await assert.rejects(reading, { message: "the command was told to stop" });
  await writer.close();
  await assert.rejects(readConfigFile(path, stop.signal), { message: "the command was told to stop" });
});

test("a file that is read again is neither a pipe nor endless", async () => {
  const path = join(folder, "steady");
  await writeFile(path, "text");
  assert.equal(Buffer.from(await readSteadyFile(path)).toString(), "text");
  await assert.rejects(readSteadyFile(pipe("again")), /it is a pipe or a terminal, .*; name a file/);
  await assert.rejects(readSteadyFile("/dev/zero"), /it has more than \d+ bytes/);
});

test("an error of reading is explained in a few words", async () => {
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
