// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { makeProcessor } from "./processor.ts";

const ROOT = join(import.meta.dirname, "../..");
/** No processor of a checkout has it. */
const NAME = "made_by_a_test";

/** The checkout by links, with a registry and a folder of processors of its own. */
function checkout(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "new-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, "src/processors"), { recursive: true });
  for (const name of ["node_modules", "test", "package.json"])
    symlinkSync(join(ROOT, name), join(root, name));
  for (const name of readdirSync(join(ROOT, "src")))
    if (name !== "processors" && name !== "registry.ts")
      symlinkSync(join(ROOT, "src", name), join(root, "src", name));
  copyFileSync(join(ROOT, "src/registry.ts"), join(root, "src/registry.ts"));
  return root;
}

test("a new processor is in the registry, in order, and passes its own test", (t) => {
  const root = checkout(t);
  const written = makeProcessor(root, NAME);
  const names = (text: string): string[] => text.match(/(?<=\.\/processors\/)\w+/g) ?? [];
  const before = names(readFileSync(join(ROOT, "src/registry.ts"), "utf8"));
  const after = names(readFileSync(join(root, "src/registry.ts"), "utf8"));
  assert.deepEqual(after, [...before, NAME].sort());
  const tests = written.filter((path) => path.endsWith(".test.ts"));
  assert.equal(tests.length, 1);
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  execFileSync(process.execPath, ["--test", ...tests], {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
});

test("whatever a new processor imports is there, types too, which nothing loads at run time", (t) => {
  const root = checkout(t);
  for (const path of makeProcessor(root, NAME).filter((path) => /factory.*\.ts$/.test(path))) {
    const text = readFileSync(join(root, path), "utf8");
    for (const [, names = "", from = ""] of text.matchAll(/import (?:type )?\{ (.*) \} from "(\..*)"/g)) {
      const file = join(root, dirname(path), from);
      assert.ok(existsSync(file), `${path} imports ${from}`);
      const exported = readFileSync(file, "utf8");
      for (const name of names.split(", "))
        assert.match(exported, new RegExp(`export (interface|type|const|function|class) ${name}\\b`), from);
    }
  }
});

test("a name that is no good or taken is refused, and nothing is written", (t) => {
  const root = checkout(t);
  const registry = readFileSync(join(root, "src/registry.ts"), "utf8");
  for (const [name, want] of [
    ["DropFamilies", /"DropFamilies": a name is in snake_case/],
    ["drop-families", /snake_case/],
    ["../x", /snake_case/],
    ["", /snake_case/],
    ["batch", /"batch": there is one already/],
  ] as const)
    assert.throws(() => makeProcessor(root, name), want);
  assert.deepEqual(readdirSync(join(root, "src/processors")), []);
  assert.equal(readFileSync(join(root, "src/registry.ts"), "utf8"), registry);
});

test("a folder without an entry in the registry is not overwritten", (t) => {
  const root = checkout(t);
  mkdirSync(join(root, "src/processors/mine"));
  assert.throws(() => makeProcessor(root, "mine"), /"mine": there is one already/);
});
