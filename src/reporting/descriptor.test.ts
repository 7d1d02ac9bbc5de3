// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { testFolder } from "../../test/kit/test_folder.ts";
import { writerTo } from "./descriptor.ts";

test("a file gets the bytes at its end, in another thread", async (context) => {
  const path = join(testFolder(context), "log");
  const fd = openSync(path, "a");
  context.after(() => closeSync(fd));
  const attempt = writerTo(fd);
  const taken = attempt(Buffer.from("one\n"));
  assert.ok(taken instanceof Promise);
  assert.equal(await taken, 4);
  await attempt(Buffer.from("two\n"));
  assert.equal(readFileSync(path, "utf8"), "one\ntwo\n");
});

test("a full disk is an error of the attempt", async (context) => {
  const fd = openSync("/dev/full", "w");
  context.after(() => closeSync(fd));
  const attempt = writerTo(fd);
  assert.throws(() => attempt(Buffer.from("one\n")), { code: "ENOSPC" });
});

/** Fills its standard error until it would have to wait, and says how it went. */
const FILLER = `
const { writerTo } = await import(process.argv[1]);
const attempt = writerTo(2, () => void process.stderr);
let taken = 0;
try { for (;;) taken += attempt(Buffer.alloc(4096, "x")); } catch (error) { console.log(error.code, taken > 0); }
`;

/** Runs the filler, "$0" -e "$1" "$2", with standard error at something that nobody reads; its answer goes to descriptor 4. */
const READERS = {
  // Node gives a child a pair of sockets, not a pipe.
  socket: `exec "$0" --input-type=module -e "$1" "$2" >&4`,
  pipe: `("$0" --input-type=module -e "$1" "$2" 2>&1 >&4) | sleep 60`,
};

for (const [kind, script] of Object.entries(READERS)) {
  test(`a ${kind} that nobody reads is EAGAIN and no wait`, async () => {
    const module = new URL("descriptor.ts", import.meta.url).href;
    const child = spawn("sh", ["-c", script, process.execPath, FILLER, module], {
      stdio: ["ignore", "ignore", "pipe", "ignore", "pipe"],
      detached: true,
    });
    child.stderr?.pause();
    const answer = child.stdio[4];
    assert.ok(answer instanceof Readable);
    const [said] = await once(answer, "data");
    assert.equal(String(said), "EAGAIN true\n");
    process.kill(-(child.pid ?? 0), "SIGKILL");
  });
}
