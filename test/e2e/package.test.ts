import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "../..");

test("the built package runs by itself", () => {
  const folder = mkdtempSync(join(tmpdir(), "package-"));
  try {
    const run = (program: string, args: readonly string[], cwd: string): string =>
      execFileSync(program, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    const packed =
      run("npm", ["pack", "--silent", "--pack-destination", folder], ROOT).trim().split("\n").at(-1) ?? "";
    run("tar", ["-xzf", packed], folder);
    // What an installation would bring: the same packages, from where they are.
    symlinkSync(join(ROOT, "node_modules"), join(folder, "package/node_modules"));
    const main = join(folder, "package/dist/main.js");
    assert.match(run(process.execPath, [main, "--version"], folder), /^kata-collector version /);
    assert.match(run(process.execPath, [main, "components"], folder), /name: cri_metadata/);
    const config = join(folder, "package/config/kata-collector.yaml");
    assert.equal(run(process.execPath, [main, "validate", "--config", config], folder), "");
    assert.match(
      run(process.execPath, [main, "demo", "--duration", "1s", "--listen-address", "127.0.0.1:0"], folder),
      /the demo is over/,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
