// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { nodeFlags } from "../kit/node/cli_process.ts";
import { testFolder } from "../kit/test_folder.ts";
import { catches, listenersOf, startBareAgent } from "./bare_process.ts";

const ROOT = join(import.meta.dirname, "../..");

/** All signals of Linux, except those that always end or stop a process, and those that the agent acts on. */
const HARMLESS = [
  "SIGUSR1",
  "SIGUSR2",
  "SIGPIPE",
  "SIGALRM",
  "SIGVTALRM",
  "SIGPROF",
  "SIGIO",
  "SIGPWR",
  "SIGXCPU",
  "SIGXFSZ",
  "SIGWINCH",
  "SIGURG",
  "SIGCHLD",
  "SIGCONT",
] as const;

test("a signal without a meaning for the agent does not end it and opens no debugger", async (context) => {
  const socket = join(testFolder(context), "page.sock");
  const agent = await startBareAgent(context, {
    configure: ({ exporters }) => Object.assign(exporters, { prometheus: { endpoint: `unix://${socket}` } }),
  });
  const before = listenersOf(agent.pid);
  assert.deepEqual([before.length, before.at(-1)], [3, `unix ${socket}`]);
  for (const signal of HARMLESS) {
    agent.child.kill(signal);
    assert.ok(await agent.isLive(), signal);
    assert.deepEqual(listenersOf(agent.pid), before, signal);
  }
  assert.deepEqual(await agent.stop(), [0, null]);
});

for (const [how, nodeArgs] of [
  ["as its first line says", undefined],
  ["without any option", []],
] as const) {
  test(`SIGUSR1 opens no debugger when Node is started ${how}`, async (context) => {
    let timer: NodeJS.Timeout | undefined;
    const agent = await startBareAgent(context, {
      ...(nodeArgs === undefined ? {} : { nodeArgs }),
      onSpawn(child) {
        // The signal comes after Node has installed its handler; before, it ends any program.
        timer = setInterval(() => catches(child.pid ?? 0, USR1) && child.kill("SIGUSR1"), 5);
      },
    });
    clearInterval(timer);
    const listeners = listenersOf(agent.pid);
    assert.equal(listeners.length, 3, listeners.join());
    assert.deepEqual(await agent.stop(), [0, null]);
  });
}

const USR1 = 10;

test("the package's scripts start node as the program's first line does", () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  for (const [name, main] of [
    ["kata-collector", "src/main.ts"],
    ["simulate", "src/simulator/main.ts"],
    ["demo", "src/simulator/main.ts"],
  ] as const) {
    const flags = nodeFlags(join(ROOT, main)).join(" ");
    assert.ok(scripts[name].startsWith(`exec node ${flags} ${main}`), name);
  }
});
