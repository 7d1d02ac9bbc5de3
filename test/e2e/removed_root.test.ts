// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { lacksMounts } from "../kit/mounts.ts";
import { poll } from "../kit/poll.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");

const config = (root: string): string =>
  JSON.stringify({
    receivers: { kata: { roots: [root], reconcile_interval: "1s" } },
    exporters: { nop: {} },
    service: {
      telemetry: { metrics: { readers: [] } },
      pipelines: { metrics: { receivers: ["kata"], exporters: ["nop"] } },
    },
  });

test("an agent reports that its mount leads to a directory that was removed on the node", {
  skip: lacksMounts() ?? false,
}, async () => {
  const dir = await mkdtemp(join(tmpdir(), "removed-root-"));
  const [node, container] = [join(dir, "node"), join(dir, "container")];
  const root = join(container, "sbs");
  for (const path of [join(node, "sbs/a"), container]) await mkdir(path, { recursive: true });
  await writeFile(join(dir, "config.yaml"), config(root));
  const inContainer = 'mount --bind -o ro "$1" "$2" && exec "$0" "$3" run --config "$4"';
  const args = [process.execPath, node, container, MAIN, join(dir, "config.yaml")];
  const agent = spawn("unshare", ["-m", "sh", "-c", inContainer, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  agent.stderr.on("data", (chunk) => {
    log += String(chunk);
  });
  const ended = once(agent, "exit");
  const said = (text: string): number => log.split(text).length - 1;
  try {
    await poll("the sandbox", () => said("Sandbox found.") || undefined);
    await rm(node, { recursive: true });
    await mkdir(join(node, "sbs/b"), { recursive: true });
    await poll("the fault", () => said("Root was removed") || undefined);
    assert.match(log, /the directory at .*container.* was removed on the node/);
    assert.equal(said("Sandbox ended."), 1);
  } finally {
    agent.kill("SIGTERM");
    await ended;
    await rm(dir, { recursive: true });
  }
  assert.equal(said("Sandbox found."), 1, "what took its place does not show");
});
