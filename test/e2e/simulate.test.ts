// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { SANDBOX_FAULTS } from "../../src/simulator/sandbox_faults.ts";
import { freePort } from "../kit/free_port.ts";
import { SIMULATOR_MAIN, startCli } from "../kit/node/cli_process.ts";

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command in a folder of its own until it ends. */
async function runIn(cwd: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const child = spawn(process.execPath, [SIMULATOR_MAIN, ...args], { cwd, env: { ...process.env, ...env } });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (bytes) => {
    stdout += String(bytes);
  });
  child.stderr.on("data", (bytes) => {
    stderr += String(bytes);
  });
  const [code] = await once(child, "close");
  return { code, stdout, stderr };
}

/** Makes a folder that contains a folder "in", in which the commands run. */
async function withFolder(play: (folder: string) => Promise<void>): Promise<void> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "relative-")));
  await mkdir(join(folder, "in"));
  try {
    await play(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("simulate makes its node in --dir, also where that is relative to the working directory", () =>
  withFolder(async (folder) => {
    for (const [dir, want] of [
      ["x", "in/x"],
      ["./a/b", "in/a/b"],
      ["../y", "y"],
      ["..", "."],
      [join(folder, "absolute"), "absolute"],
    ] as const) {
      const args = ["simulate", "--dir", dir, "--sandboxes", "2", "--duration", "1ms"];
      const { code, stdout, stderr } = await runIn(join(folder, "in"), args);
      assert.equal(code, 0, `${dir}: ${stderr}`);
      assert.ok(stdout.includes(`CRI: unix://${join(folder, want, "cri.sock")}\n`), stdout);
      assert.deepEqual(await readdir(join(folder, want, "run/vc/sbs")), []);
    }
  }));

test("the demo runs where temporary files are in a relative folder", () =>
  withFolder(async (folder) => {
    const address = `127.0.0.1:${await freePort()}`;
    const args = [
      "demo",
      "--duration",
      "1ms",
      "--listen-address",
      address,
      "--faults",
      "stolen_cpu,no_directory",
    ];
    const env = { TMPDIR: "../in", KATA_COLLECTOR_DEMO_TELEMETRY_PORT: String(await freePort()) };
    const { code, stdout, stderr } = await runIn(join(folder, "in"), args, env);
    assert.equal(code, 0, stderr);
    assert.ok(stdout.includes(`A simulated node runs under ${join(folder, "in/kata-demo-")}`), stdout);
    assert.match(stdout, /^\+ pod .* with stolen_cpu$/m);
    assert.deepEqual(await readdir(join(folder, "in")), []);
  }));

test("the help of simulate and demo explains every fault", async () => {
  for (const command of ["simulate", "demo"]) {
    const { stdout } = await startCli([command, "--help"], {}, SIMULATOR_MAIN).finished;
    for (const [name, sentence] of Object.entries(SANDBOX_FAULTS))
      assert.match(stdout, new RegExp(`^  ${name} +${sentence.replaceAll(/[()]/g, ".")}$`, "m"));
  }
});
