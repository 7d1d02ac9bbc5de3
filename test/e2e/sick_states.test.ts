// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SandboxFault } from "../../src/simulator/sandbox_faults.ts";
import type { SimulatedSandbox } from "../../src/simulator/simulated_sandbox.ts";
import { type SimulatedNode, startNode } from "../kit/node/simulated_node.ts";
import { poll } from "../kit/poll.ts";

/** The agent compares its sandboxes with the runtime's list once a minute. */
const COMPARED_LIMIT_MS = 150_000;

/** Waits until the sandbox's line of `/sandboxes?verbose` matches, and returns it. */
async function stateOf(node: SimulatedNode, { id, fault }: SimulatedSandbox, want: RegExp): Promise<string> {
  return await poll(
    `the state of ${fault}`,
    async () => {
      const text = await node.page("/sandboxes?verbose");
      return text.split("\n").find((line) => line.includes(` ${id.slice(0, 12)}`) && want.test(line));
    },
    COMPARED_LIMIT_MS,
  );
}

test("every fault of a sandbox shows in its state, its reason, or in whether the runtime lists it", async () => {
  const node = await startNode({
    simulator: { sandboxes: 0, answerDelayMs: 1_500, leakDelayMs: 3_000 },
    configure(config) {
      const endpoint = config.exporters["prometheus"]?.["endpoint"];
      Object.assign(config, { extensions: { kata_monitor_api: { endpoint } } });
      Object.assign(config.service, { extensions: ["kata_monitor_api"] });
      Object.assign(config.receivers["kata"] ?? {}, { timeout: "2s" });
    },
  });
  try {
    const add = (fault: SandboxFault): Promise<SimulatedSandbox> => node.simulator.add({ fault });
    const [old, leaked, slow, partial, hung] = await Promise.all([
      add("old_state"),
      add("leaked_vm"),
      add("slow_shim"),
      add("no_agent"),
      add("hang"),
    ] as const);
    await stateOf(node, slow, /^\S+\/\S+ +up slow +.* yes /);
    await stateOf(node, partial, /^\S+\/\S+ +up partial +.* yes /);
    await stateOf(node, hung, /^\S+\/\S+ +failing timeout +.*; next scrape in /);
    const line = await stateOf(node, leaked, / up +.* no +.*no container runtime lists it/);
    assert.ok(line.startsWith(`${leaked.pod.namespace}/${leaked.pod.name} `), line);
    const page = await node.page();
    assert.match(page, new RegExp(`^kata_collector_sandbox_in_runtime\\{.*"${leaked.id}".*\\} 0$`, "m"));
    await stateOf(node, old, /^\S+ +pending no_state +/);
    assert.equal(old.shim?.scrapes, 0, "a shim that a scrape would end is not asked");
  } finally {
    await node.close();
  }
});
