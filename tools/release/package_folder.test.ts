// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { copyPackage } from "./package_folder.ts";

const LOCKED = {
  path: "node_modules/a/node_modules/b",
  name: "b",
  version: "1.0.0",
  license: "MIT",
  integrity: "",
  hasInstallScript: false,
};

test("a package is copied without those below it, and only in the version that is locked", () => {
  const folder = mkdtempSync(join(tmpdir(), "copy-"));
  try {
    const write = (path: string, text: string): void => {
      mkdirSync(dirname(join(folder, "root", path)), { recursive: true });
      writeFileSync(join(folder, "root", path), text);
    };
    write(`${LOCKED.path}/package.json`, '{ "version": "1.0.0" }');
    write(`${LOCKED.path}/lib/b.js`, "");
    write(`${LOCKED.path}/node_modules/c/package.json`, '{ "version": "1.0.0" }');
    write("node_modules/a/package.json", '{ "version": "1.0.0" }');
    copyPackage(join(folder, "root"), join(folder, "to"), LOCKED);
    const copied = globSync("**/*.{js,json}", { cwd: join(folder, "to") });
    assert.deepEqual(copied.sort(), [`${LOCKED.path}/lib/b.js`, `${LOCKED.path}/package.json`]);
    write(`${LOCKED.path}/package.json`, '{ "version": "1.0.1" }');
    assert.throws(() => copyPackage(join(folder, "root"), join(folder, "other"), LOCKED), {
      message: `cannot pack "b": version 1.0.1 is in ${LOCKED.path}, and package-lock.json has 1.0.0; run "npm ci"`,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
