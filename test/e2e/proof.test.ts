// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import type { Runtime } from "../../src/receivers/kata/discovery/root.ts";
import { freePort } from "../kit/free_port.ts";
import { SandboxLife } from "../kit/kata/sandbox_life.ts";
import { startAgentProcess } from "../kit/node/agent_process.ts";
import { runCli } from "../kit/node/cli_process.ts";
import { poll } from "../kit/poll.ts";

/** The paths at which a node's directories may be mounted, the runtime in the config, and the real one. */
const ROOTS: readonly (readonly [path: string, written: Runtime | undefined, runtime: Runtime])[] = [
  ["sandboxes/rs", undefined, "unknown"],
  ["sandboxes/named", "rs", "rs"],
  ["host/run/kata", undefined, "rs"],
];

test("QEMU shims of runtime-rs get no request while they boot, wherever their root is mounted; others do after their boot", async () => {
  const dir = mkdtempSync(join(tmpdir(), "elsewhere-"));
  for (const [path] of ROOTS) mkdirSync(join(dir, path), { recursive: true });
  const lifeIn = ([path, , runtime]: (typeof ROOTS)[number], kind: string): SandboxLife =>
    new SandboxLife({ root: join(dir, path), id: `${kind}-${path.replaceAll("/", "-")}`, runtime });
  const qemus = ROOTS.map((root) => lifeIn(root, "qemu"));
  const clhs = ROOTS.map((root) => lifeIn(root, "clh"));
  const first = lifeIn(["sandboxes/rs", undefined, "unknown"], "first");
  const endpoint = `127.0.0.1:${await freePort()}`;
  const agent = await startAgentProcess({
    receivers: {
      kata: {
        roots: ROOTS.map(([path, runtime]) => ({ path: join(dir, path), ...(runtime && { runtime }) })),
        collection_interval: "200ms",
        reconcile_interval: "1s",
      },
    },
    exporters: { prometheus: { endpoint } },
    service: {
      telemetry: { metrics: { level: "none" } },
      pipelines: { metrics: { receivers: ["kata"], exporters: ["prometheus"] } },
    },
  });
  const page = async (): Promise<string> => await (await fetch(`http://${endpoint}/metrics`)).text();
  try {
    first.apply("move in go");
    for (const [kind, lives] of [
      ["qemu", qemus],
      ["clh", clhs],
    ] as const)
      for (const life of lives) {
        life.apply("directory");
        life.apply(`bind ${kind}`);
      }
    await poll("some rounds while they boot", () => (first.safeRequests ?? 0) > 5 || undefined);
    assert.deepEqual(
      qemus.map(({ harm }) => harm),
      [0, 0, 0],
    );
    assert.deepEqual(
      clhs.map(({ safeRequests }) => safeRequests),
      [0, 0, 0],
    );
    for (const life of [...qemus, ...clhs]) life.finish();
    for (const [path] of ROOTS) {
      const place = path.replaceAll("/", "-");
      const unsafe = `kata_collector_sandbox_state{state="unsafe",reason="qemu",sandbox_id="qemu-${place}"`;
      await poll(`${place}'s QEMU to be shown`, async () => (await page()).includes(unsafe) || undefined);
      const up = `kata_collector_sandbox_up{sandbox_id="clh-${place}"`;
      await poll(
        `${place}'s other to be up`,
        async () => new RegExp(`^${up}.*\\} 1$`, "m").test(await page()) || undefined,
      );
    }
    assert.deepEqual(
      qemus.map(({ harm }) => harm),
      [0, 0, 0],
    );

    const printed = await runCli(["print-config", "--config", agent.configPath]);
    assert.deepEqual(
      parse(printed.stdout).receivers.kata.roots,
      ROOTS.map(([path, , runtime]) => ({ path: join(dir, path), runtime })),
    );
    const validated = await runCli(["validate", "--config", agent.configPath]);
    const remark = `the runtime of "${join(dir, "sandboxes/rs")}" is unknown`;
    assert.equal(validated.code, 0);
    assert.equal(validated.stderr.split("is unknown").length, 2, validated.stderr);
    assert.ok(validated.stderr.includes(remark));
    assert.ok(agent.stderr().includes("Configuration has a remark."));
  } finally {
    await agent.stop();
    rmSync(dir, { recursive: true, force: true });
    for (const life of [first, ...qemus, ...clhs]) life.close();
  }
});
