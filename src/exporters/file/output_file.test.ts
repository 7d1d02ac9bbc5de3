// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { pino } from "pino";
import { FakeClock } from "../../clock/fake_clock.ts";
import { lengthPrefixed, lines } from "./framing.ts";
import { OutputFile, type OutputFileOptions } from "./output_file.ts";

const LINES = lines("{");
const PREFIXED = lengthPrefixed(Uint8Array.of(0x0a));
const EPOCH_MS = Date.UTC(2030, 0, 2, 3, 4, 5, 6);
const never = new AbortController().signal;

/** A folder that is removed after the test. */
function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "file-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function outputOf(context: TestContext, path: string, options: Partial<OutputFileOptions> = {}) {
  const logged: string[] = [];
  const output = new Writable({
    write(chunk, _encoding, done) {
      const { msg, bytes } = JSON.parse(String(chunk));
      logged.push(bytes === undefined ? msg : `${msg} ${bytes}`);
      done();
    },
  });
  const clock = new FakeClock(EPOCH_MS);
  const logger = pino({ base: null }, output);
  const defaults = {
    path,
    framing: LINES,
    keep: true,
    directoryMode: undefined,
    fileMode: 0o600,
    rotation: undefined,
  };
  const file = new OutputFile({ ...defaults, clock, logger, ...options });
  context.after(() => file.close());
  /** Writes a line with this text in it. */
  const write = (text: string, signal = never): Promise<void> =>
    file.append(LINES.record(Buffer.from(`{${text}}`)), signal);
  return { file, write, clock, logged };
}

/** A signal that aborts while the record is being written. */
function abortedDuringWrite(): AbortSignal {
  const attempt = new AbortController();
  const { signal } = attempt;
  const check = signal.throwIfAborted.bind(signal);
  signal.throwIfAborted = () => {
    check();
    attempt.abort();
  };
  return signal;
}

const contentOf = (path: string): string => readFileSync(path, "utf8");

test("records are written one behind the other, in the order of the calls", async (context) => {
  const path = join(folderOf(context), "out");
  const { file, write } = outputOf(context, path);
  await file.open();
  await Promise.all(["1", "2", "3"].map((text) => write(text)));
  assert.equal(contentOf(path), "{1}\n{2}\n{3}\n");
});

test("the file is truncated before the first record and not again, or not at all", async (context) => {
  const path = join(folderOf(context), "out");
  writeFileSync(path, "{old}\n");
  const kept = outputOf(context, path);
  await kept.write("1");
  assert.equal(contentOf(path), "{old}\n{1}\n");
  const emptied = outputOf(context, path, { keep: false });
  await emptied.file.open();
  await emptied.write("2");
  renameSync(path, `${path}.1`);
  writeFileSync(path, "{other}\n");
  await emptied.write("3");
  assert.equal(contentOf(`${path}.1`), "{2}\n");
  assert.equal(contentOf(path), "{other}\n{3}\n");
});

test("an unfinished record is cut off at the next start, and logged", async (context) => {
  const path = join(folderOf(context), "out");
  const record = LINES.record(Buffer.from("{last}"));
  const binary = PREFIXED.record(Uint8Array.of(0x0a, 5, 6, 7, 8, 9));
  for (const [framing, whole] of [
    [LINES, record],
    [PREFIXED, binary],
  ] as const) {
    for (let cut = 0; cut <= whole.length; cut++) {
      writeFileSync(path, Buffer.concat([whole, whole.subarray(0, cut)]));
      const { file, logged } = outputOf(context, path, { framing });
      await file.append(whole, never);
      await file.close();
      const isTorn = cut > 0 && cut < whole.length;
      const count = cut === whole.length ? 3 : 2;
      assert.deepEqual(readFileSync(path), Buffer.concat(new Array(count).fill(whole)), `cut at ${cut}`);
      const said = `The file ended in an unfinished record, which was cut off. ${cut}`;
      assert.deepEqual(logged, isTorn ? [said] : []);
    }
  }
});

test("a file that is not the exporter's is left as it is", async (context) => {
  const folder = folderOf(context);
  const path = join(folder, "notes");
  writeFileSync(path, "nothing to\ncut");
  const { file, write } = outputOf(context, path);
  await assert.rejects(file.open(), /no record begins at byte 11/);
  await assert.rejects(write("1"), /no record begins at byte 11/);
  assert.equal(contentOf(path), "nothing to\ncut");
});

test("a path that is no regular file is not opened", async (context) => {
  const folder = folderOf(context);
  const pipe = join(folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  for (const path of [folder, pipe, "/dev/null"]) {
    const { file } = outputOf(context, path);
    await assert.rejects(file.open(), { message: "it is not a regular file" });
  }
});

test("the path may be a link", async (context) => {
  const folder = folderOf(context);
  symlinkSync(join(folder, "target"), join(folder, "link"));
  const { write } = outputOf(context, join(folder, "link"));
  await write("1");
  await write("2");
  assert.equal(contentOf(join(folder, "target")), "{1}\n{2}\n");
});

test("when the file is moved or removed, a new one is begun", async (context) => {
  const path = join(folderOf(context), "out");
  const { write, logged } = outputOf(context, path);
  await write("1");
  renameSync(path, `${path}.moved`);
  await write("2");
  rmSync(path);
  await write("3");
  assert.equal(contentOf(`${path}.moved`), "{1}\n");
  assert.equal(contentOf(path), "{3}\n");
  assert.equal(logged.length, 2);
});

test("when others truncate the file, it goes on at its new end, without a hole", async (context) => {
  const path = join(folderOf(context), "out");
  const { write } = outputOf(context, path);
  await write("1");
  truncateSync(path, 0);
  await write("2");
  appendFileSync(path, "{foreign}\n");
  await write("3");
  assert.equal(contentOf(path), "{2}\n{foreign}\n{3}\n");
});

test("without its directory a record fails; when the directory is back, or may be made, writing goes on", async (context) => {
  const folder = join(folderOf(context), "a", "b");
  const path = join(folder, "out");
  mkdirSync(folder, { recursive: true });
  const { write } = outputOf(context, path);
  await write("1");
  rmSync(folder, { recursive: true });
  await assert.rejects(write("2"), { code: "ENOENT" });
  mkdirSync(folder);
  await write("3");
  assert.equal(contentOf(path), "{3}\n");

  const making = outputOf(context, path, { directoryMode: 0o700 });
  rmSync(join(folder, ".."), { recursive: true });
  await making.write("4");
  assert.equal(contentOf(path), "{4}\n");
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("an aborted record is removed, and one that had not begun is not written", async (context) => {
  const path = join(folderOf(context), "out");
  const { write } = outputOf(context, path);
  await write("1");
  const attempt = new AbortController();
  const late = write("late", abortedDuringWrite());
  const waiting = write("2", attempt.signal);
  attempt.abort();
  await assert.rejects(late, { name: "AbortError" });
  await assert.rejects(waiting, { name: "AbortError" });
  await write("3");
  assert.equal(contentOf(path), "{1}\n{3}\n");
});

const rotation = { bytesMax: 10, daysMax: 0, backupsMax: 2, isLocalTime: false };

test("a file that would become too large is renamed with the time, and old files are removed", async (context) => {
  const folder = folderOf(context);
  const path = join(folder, "out.json");
  const { write, clock } = outputOf(context, path, { rotation });
  const names = (): string[] => readdirSync(folder).sort();
  await write("1");
  await write("2");
  assert.deepEqual(names(), ["out.json"]);
  await write("3");
  assert.deepEqual(names(), ["out-2030-01-02T03-04-05.006.json", "out.json"]);
  assert.equal(contentOf(join(folder, "out-2030-01-02T03-04-05.006.json")), "{1}\n{2}\n");
  // A record that is too large gets a file of its own. Two files of one millisecond get different names.
  await write("a long one");
  await write("4");
  assert.deepEqual(names(), [
    "out-2030-01-02T03-04-05.007.json",
    "out-2030-01-02T03-04-05.008.json",
    "out.json",
  ]);
  assert.equal(contentOf(join(folder, "out-2030-01-02T03-04-05.007.json")), "{3}\n");
  assert.equal(contentOf(join(folder, "out-2030-01-02T03-04-05.008.json")), "{a long one}\n");
  await clock.advance(60_000);
  await write("5");
  await write("6");
  assert.equal(names()[1], "out-2030-01-02T03-05-05.006.json");
});

test("files that are too old are removed at the start too", async (context) => {
  const folder = folderOf(context);
  const path = join(folder, "out.json");
  writeFileSync(join(folder, "out-2029-12-30T00-00-00.000.json"), "");
  writeFileSync(join(folder, "out-2030-01-01T12-00-00.000.json"), "");
  const { file } = outputOf(context, path, { rotation: { ...rotation, daysMax: 2 } });
  await file.open();
  assert.deepEqual(readdirSync(folder).sort(), ["out-2030-01-01T12-00-00.000.json", "out.json"]);
});

test("after a restart the file is continued until the rotation's size", async (context) => {
  const path = join(folderOf(context), "out");
  for (const text of ["1", "2"]) {
    const { write, file } = outputOf(context, path, { rotation });
    await write(text);
    await file.close();
  }
  assert.equal(contentOf(path), "{1}\n{2}\n");
});

const isRoot = process.getuid?.() === 0;

/** A small file system; undefined if this user cannot mount one. */
function smallDisk(context: TestContext, size: string): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "disk-"));
  const remove = (): void => rmSync(folder, { recursive: true });
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder], { stdio: "ignore" });
  } catch {
    remove();
    context.skip("mounting a file system needs root");
    return undefined;
  }
  context.after(() => {
    execFileSync("umount", ["--lazy", folder]);
    remove();
  });
  return folder;
}

test("on a full disk a record leaves nothing in the file, and is written when there is space", async (context) => {
  const disk = smallDisk(context, "64k");
  if (disk === undefined) return;
  const path = join(disk, "out");
  const { write } = outputOf(context, path);
  await write("1");
  writeFileSync(join(disk, "ballast"), Buffer.alloc(40_000));
  for (let attempt = 0; attempt < 3; attempt++) {
    await assert.rejects(write("x".repeat(30_000)), { code: "ENOSPC" });
    assert.equal(contentOf(path), "{1}\n");
  }
  await write("2");
  rmSync(join(disk, "ballast"));
  await write("y".repeat(30_000));
  assert.equal(contentOf(path), `{1}\n{2}\n{${"y".repeat(30_000)}}\n`);
});

test("a part of a record that cannot be removed at once is removed before the next record", async (context) => {
  const path = join(folderOf(context), "out");
  const { write } = outputOf(context, path);
  await write("1");
  try {
    // The file can become longer but not shorter.
    execFileSync("chattr", ["+a", path], { stdio: "ignore" });
  } catch {
    return context.skip("making a file append-only needs root and a file system that knows it");
  }
  try {
    await assert.rejects(write("late", abortedDuringWrite()), { name: "AbortError" });
    assert.equal(contentOf(path), "{1}\n{late}\n");
    await assert.rejects(write("2"), { code: "EPERM" });
  } finally {
    execFileSync("chattr", ["-a", path]);
  }
  await write("3");
  assert.equal(contentOf(path), "{1}\n{3}\n");
});

test("a disk that becomes read-only fails records until it is writable again", async (context) => {
  const disk = smallDisk(context, "64k");
  if (disk === undefined) return;
  const path = join(disk, "out");
  const remount = (option: string): unknown => execFileSync("mount", ["-o", `remount,${option}`, disk]);
  const first = outputOf(context, path);
  await first.write("1");
  await first.file.close();
  remount("ro");
  const { write } = outputOf(context, path);
  await assert.rejects(write("2"), { code: "EROFS" });
  remount("rw");
  await write("3");
  assert.equal(contentOf(path), "{1}\n{3}\n");
});

test("a directory without the right to write fails records until it has the right", async (context) => {
  if (!isRoot || process.seteuid === undefined) return context.skip("becoming another user needs root");
  const folder = folderOf(context);
  chmodSync(folder, 0o755);
  const path = join(folder, "out");
  const { write } = outputOf(context, path);
  process.seteuid(65_534);
  try {
    await assert.rejects(write("1"), { code: "EACCES" });
    assert.equal(existsSync(path), false);
  } finally {
    process.seteuid(0);
  }
  chmodSync(folder, 0o777);
  await write("2");
  assert.equal(contentOf(path), "{2}\n");
});
