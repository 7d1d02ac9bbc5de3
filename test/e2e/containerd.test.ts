// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/clock/clock.ts";
import { FakeClock } from "../../src/clock/fake_clock.ts";
import { CriClient } from "../../src/cri/client.ts";
import { SANDBOX_SOURCES } from "../../src/kata/sandboxes.ts";
import { WITNESSES } from "../../src/kata/witnesses.ts";
import { Interner } from "../../src/metrics/interner.ts";
import type { Resource } from "../../src/metrics/model.ts";
import { factory } from "../../src/processors/cri_metadata/factory.ts";
import { advanceUntil } from "../kit/component/fake_time.ts";
import { readableMeter } from "../kit/component/gauges.ts";
import { testSettings } from "../kit/component/settings.ts";
import { sandboxStatus } from "../kit/kata/sandbox_status.ts";
import { peerIsThere } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import { type PodSpec, startContainerd } from "./containerd.ts";

const WEB: PodSpec = {
  name: "web-5d4f8c7b9-x2x7q",
  namespace: "shop",
  uid: "0b6c8d3e-5a51-4f0e-9a43-3d1f0e7c2a11",
  labels: { app: "web", "pod-template-hash": "5d4f8c7b9" },
  annotations: { owner: "team é" },
};

const BATCH: PodSpec = { name: "batch", namespace: "jobs", uid: "d9f1c2b4-0000-4000-8000-000000000001" };

/** Starts the processor on a runtime's endpoint, and records what it hands on. */
function enriching(endpoint: string) {
  const interner = new Interner();
  const schema = interner.schema([]);
  const passed: Readonly<Record<string, string>>[] = [];
  const config = factory.schema.parse({
    endpoint,
    timeout: "2s",
    wait: "3s",
    extract: { labels: [{ key: "app" }], annotations: [{ key: "owner" }] },
  });
  const settings = testSettings({ id: "cri_metadata", clock: systemClock, interner });
  const processor = factory.create(config, settings, {
    noRoom: () => undefined,
    consume({ resource }) {
      passed.push(Object.fromEntries(resource.attributes.map(({ key, value }) => [key, value])));
    },
    end: () => {},
  });
  return {
    processor,
    passed,
    read(id: string) {
      const resource: Resource = { key: `kata/${id}`, attributes: [{ key: "kata.sandbox.id", value: id }] };
      processor.consume({ resource, schema, values: new Float64Array(0), timeMs: Date.now(), startMs: 0 });
    },
    /** Returns the first reading of the sandbox that the processor hands on. */
    outcome: (id: string) =>
      poll(`a reading of ${id}`, () => passed.find((attributes) => attributes["kata.sandbox.id"] === id)),
  };
}

test("sandboxes get the names of a real containerd's pods, also after its restart and its end", async (context) => {
  const containerd = await startContainerd();
  if (!peerIsThere(context, "containerd (with runc, as root)", containerd !== undefined)) return;
  assert.ok(containerd !== undefined);
  const agent = enriching(containerd.endpoint);
  const client = new CriClient({ endpoint: containerd.endpoint, timeoutMs: 5_000 });
  try {
    const web = await containerd.runPod(WEB);
    agent.read(web);
    assert.deepEqual(await agent.outcome(web), {
      "kata.sandbox.id": web,
      "k8s.pod.uid": WEB.uid,
      "k8s.pod.name": WEB.name,
      "k8s.namespace.name": WEB.namespace,
      "k8s.pod.label.app": "web",
      "k8s.pod.annotation.owner": "team é",
    });
    assert.equal((await client.version()).name, "containerd");
    assert.deepEqual([...(await client.pods(() => true)).all.keys()], [web]);

    await containerd.restart();
    const batch = await containerd.runPod(BATCH);
    agent.read(batch);
    assert.equal((await agent.outcome(batch))["k8s.pod.name"], "batch");

    await containerd.stopPod(batch);
    const { all } = await client.pods(() => true);
    const states = Array.from(all.values(), ({ id, isReady }) => [id, isReady]);
    assert.deepEqual(
      new Map(states as [string, boolean][]),
      new Map([
        [web, true],
        [batch, false],
      ]),
    );

    await containerd.kill();
    agent.read("somebody-else");
    assert.deepEqual(await agent.outcome("somebody-else"), { "kata.sandbox.id": "somebody-else" });
    const before = agent.passed.length;
    agent.read(web);
    assert.equal(agent.passed.length, before + 1, "a named pod's readings do not wait for the runtime");
    assert.equal(agent.passed.at(-1)?.["k8s.pod.name"], WEB.name);
  } finally {
    client.close();
    await agent.processor.shutdown(AbortSignal.timeout(1_000));
    await containerd.close();
  }
});

test("a ready pod of a real containerd without a directory is an error that names it, until it is not ready", async (context) => {
  const containerd = await startContainerd();
  if (!peerIsThere(context, "containerd", containerd !== undefined) || containerd === undefined) return;
  // The clock is an hour ahead, so that the pods are old enough to be missed.
  const clock = new FakeClock(Date.now() + 3_600_000);
  const { meter, read } = readableMeter(context);
  const settings = testSettings({ id: "cri_metadata", clock, meter });
  const sandboxes = settings.host.single(SANDBOX_SOURCES);
  const witnesses = settings.host.single(WITNESSES);
  const web = await containerd.runPod(WEB);
  const batch = await containerd.runPod(BATCH);
  sandboxes.add("kata", {
    sandboxes: () => [sandboxStatus(batch)],
    roots: () => ["/run/vc/sbs"],
    owns: () => false,
    lastScrape: () => undefined,
    rawPage: () => undefined,
    agentUrl: () => undefined,
  });
  // This containerd has only its default handler.
  const config = factory.schema.parse({ endpoint: containerd.endpoint, kata_handlers: [""] });
  const processor = factory.create(config, settings, {
    noRoom: () => undefined,
    consume: () => {},
    end: () => {},
  });
  const error = () => witnesses.missingPods ?? "";
  const missing = async () => (await read("kata_collector_pods_without_sandbox"))[0];
  try {
    await processor.start();
    await advanceUntil(clock, "the error", { done: () => error() !== "", stepMs: 1_000 });
    assert.match(error(), new RegExp(`under "/run/vc/sbs": shop/${WEB.name} \\(${web}\\); name`));
    assert.equal(await missing(), 1);
    await containerd.stopPod(web);
    await advanceUntil(clock, "the end of the error", { done: () => error() === "", stepMs: 1_000 });
    assert.equal(await missing(), 0);
  } finally {
    await processor.shutdown(AbortSignal.timeout(1_000));
    await containerd.close();
  }
});
