// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SimulatedPod } from "../../src/simulator/cri_server.ts";
import { type SimulatedNode, startNode } from "../kit/node/simulated_node.ts";
import { poll } from "../kit/poll.ts";

/** A pod that is old enough to be missed at once. */
const POD: SimulatedPod = {
  id: "a".repeat(64),
  uid: "0f6b1c1e-0000-4000-8000-00000000000a",
  name: "web-1",
  namespace: "shop",
  labels: {},
  annotations: {},
  runtimeHandler: "kata-qemu",
  createdAtMs: 0,
};

/** Waits for a line of the agent's JSON log whose message begins with this text, and returns the first one. */
function entry({ agent }: SimulatedNode, message: string): Promise<Readonly<Record<string, unknown>>> {
  return poll(`"${message}" in the log`, () =>
    agent
      .stderr()
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .find(({ msg }) => String(msg).startsWith(message)),
  );
}

/** Waits for the event stream: before, a new pod is only found by the next list, a minute later. */
async function followed({ simulator }: SimulatedNode): Promise<void> {
  await poll("the stream of events", () => simulator.cri?.calls.events || undefined);
}

test("an agent that finds no sandbox still asks the runtime, and says which pods it does not see", async () => {
  const node = await startNode({
    simulator: { sandboxes: 0 },
    configure(config) {
      config.service.telemetry["logs"] = { encoding: "json" };
    },
  });
  const { cri } = node.simulator;
  try {
    await followed(node);
    cri?.add(POD);
    const missing = await entry(node, "Ready Kata pods have no sandbox");
    assert.deepEqual(missing["pods"], [{ sandbox: POD.id, pod: "shop/web-1" }]);
    assert.deepEqual(missing["roots"], [node.simulator.goRoot, node.simulator.rsRoot]);
    assert.ok(!(await node.page()).includes(POD.id), "the runtime adds no sandbox");
    await node.simulator.add({ flavor: "go", pod: POD });
    await entry(node, "Every ready Kata pod has a sandbox again");
    const known = await entry(node, "Pod of the sandbox is known");
    assert.deepEqual([known["sandbox"], known["pod"]], [POD.id, "shop/web-1"]);
  } finally {
    await node.close();
  }
});

test("a sandbox whose pod the runtime has forgotten stays on the page under its pod's name", async () => {
  const node = await startNode({ simulator: { sandboxes: 2, flavor: "go" } });
  const [leaked] = node.simulator.sandboxes.values();
  assert.ok(leaked !== undefined);
  const line = async (): Promise<string | undefined> =>
    (await node.page())
      .split("\n")
      .find((one) => one.startsWith("kata_collector_sandbox_up{") && one.includes(leaked.id));
  const named = async (): Promise<boolean> =>
    (await line())?.includes(`cri_name="${leaked.pod.name}"`) ?? false;
  try {
    await poll("the name", async () => (await named()) || undefined);
    await followed(node);
    const lists = node.simulator.cri?.calls.list ?? 0;
    // The event that it has ended makes the agent ask for the list.
    node.simulator.cri?.remove(leaked.id);
    await poll("a list without it", () => (node.simulator.cri?.calls.list ?? 0) > lists || undefined);
    assert.ok(await named());
  } finally {
    await node.close();
  }
});
