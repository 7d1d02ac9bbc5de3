// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { socketAdvice } from "./advice.ts";

test("a socket's file without a name was replaced; one with a name was not", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "advice-"));
  context.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "a.sock");
  const file = await open(path, "w");
  context.after(() => file.close());
  const advice = () => socketAdvice(`/proc/self/fd/${file.fd}`, "ECONNREFUSED");
  assert.equal(await advice(), undefined);
  await rm(path);
  assert.equal((await advice())?.fault, "replaced");
  assert.equal(await socketAdvice(path, "ECONNREFUSED"), undefined, "a file that is not there");
});

test("a missing right is explained with the ways to get it; other failures need no advice", async () => {
  for (const code of ["EACCES", "EPERM"]) {
    assert.match((await socketAdvice("/a.sock", code))?.text ?? "", /uid 0 or with CAP_DAC_OVERRIDE.*spc_t/);
  }
  for (const code of ["ENOENT", undefined]) assert.equal(await socketAdvice("/a.sock", code), undefined);
});
