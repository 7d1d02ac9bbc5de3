// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { checkSocket } from "./socket.ts";

/** Node does not name it: a descriptor that leads to a file, whatever its kind. */
const O_PATH = 0o10000000;

test("only a socket on which somebody listens passes", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "cri-"));
  context.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "a.sock");
  await assert.rejects(checkSocket(`unix://${path}`), {
    message: `cannot reach "unix://${path}": connect ENOENT ${path}`,
    failure: "unavailable",
  });
  await writeFile(join(folder, "file"), "");
  await assert.rejects(checkSocket(`unix://${join(folder, "file")}`), /connect ECONNREFUSED/);

  const server = createServer((socket) => socket.resume()).listen(path);
  context.after(() => server.close());
  await checkSocket(`unix://${path}`);
});

test("the error of a socket whose file was replaced on the node says so", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "cri-"));
  context.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "gone.sock");
  const server = createServer().listen(path);
  await once(server, "listening");
  // A descriptor leads to the file as a bind mount of it would: also when its name is gone.
  const file = await open(path, O_PATH);
  context.after(() => file.close());
  await rm(path);
  server.close();
  await once(server, "close");
  await assert.rejects(checkSocket(`unix:///proc/self/fd/${file.fd}`), {
    message:
      /: connect ECONNREFUSED .*; the socket's file was replaced on the node; mount its directory, not/,
    failure: "replaced",
  });
});

test("an address is left to gRPC", async () => {
  await checkSocket("dns:///runtime.invalid:1");
});
