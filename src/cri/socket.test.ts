import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { checkSocket } from "./socket.ts";

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

test("an address is left to gRPC", async () => {
  await checkSocket("dns:///runtime.invalid:1");
});
