// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { startNode } from "../kit/node/simulated_node.ts";
import { peerIsThere } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import { type PodSpec, startContainerd } from "./containerd.ts";

const KATA: PodSpec = {
  name: "ledger-7c9d-x1",
  namespace: "backend",
  uid: "5f0e9a43-3d1f-4e7c-8a11-0b6c8d3e5a51",
  labels: { app: "ledger" },
};
const RUNC: PodSpec = { name: "plain", namespace: "backend", uid: "d9f1c2b4-0000-4000-8000-000000000001" };

test("a real runtime's pod with a sandbox directory is on the page under its name, and one without is not", async (context) => {
  const containerd = await startContainerd();
  if (!peerIsThere(context, "containerd", containerd !== undefined) || containerd === undefined) return;
  const node = await startNode({
    simulator: { sandboxes: 0, cri: false },
    configure(config) {
      config.processors["cri_metadata"] = { endpoint: containerd.endpoint };
    },
  });
  const addShim = (id: string, { name, namespace, uid }: PodSpec) => {
    const rest = { labels: {}, annotations: {}, runtimeHandler: "", createdAtMs: 0 };
    return node.simulator.add({ flavor: "go", pod: { id, name, namespace, uid, ...rest } });
  };
  const loadOf = (id: string) => async () =>
    (await node.page()).split("\n").find((line) => line.startsWith("kata_guest_load{") && line.includes(id));
  try {
    const kata = await containerd.runPod(KATA);
    const runc = await containerd.runPod(RUNC);
    await addShim(kata, KATA);
    const labels = `sandbox_id="${kata}",cri_uid="${KATA.uid}",cri_name="${KATA.name}",cri_namespace="${KATA.namespace}"`;
    const line = await poll("the Kata pod on the page", loadOf(kata));
    assert.ok(line.includes(`item="load1",${labels}} `), line);
    const lines = (await node.page()).split("\n").filter((one) => one.includes(kata));
    assert.ok(lines.length >= 200, `${lines.length} lines of the sandbox`);

    await containerd.restart();
    const second: PodSpec = { ...KATA, name: "after-restart", uid: "5f0e9a43-3d1f-4e7c-8a11-000000000002" };
    const late = await containerd.runPod(second);
    await addShim(late, second);
    assert.match(await poll("the pod of the restarted runtime", loadOf(late)), /cri_name="after-restart"/);

    await node.simulator.end(kata);
    await poll("the ended sandbox to leave the page", async () =>
      (await loadOf(kata)()) === undefined ? true : undefined,
    );
    assert.ok(!(await node.page()).includes(runc), "a pod without a sandbox directory is on the page");
  } finally {
    await node.close();
    await containerd.close();
  }
});
