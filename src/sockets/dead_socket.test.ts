// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { testFolder } from "../../test/kit/test_folder.ts";
import { removeDeadSocket } from "./dead_socket.ts";

test("only a socket on which no process listens is removed", async (context) => {
  const folder = testFolder(context);
  const paths = { dead: join(folder, "dead"), live: join(folder, "live"), file: join(folder, "file") };
  const killed = createServer().listen(join(folder, "before"));
  await once(killed, "listening");
  // Node removes the socket of a server that closes, and so not one that has another name by then.
  renameSync(join(folder, "before"), paths.dead);
  killed.close();
  const live = createServer().listen(paths.live);
  await once(live, "listening");
  context.after(() => live.close());
  writeFileSync(paths.file, "");

  for (const path of [...Object.values(paths), join(folder, "absent")]) await removeDeadSocket(path);

  assert.deepEqual(Object.values(paths).map(existsSync), [false, true, true]);
});
