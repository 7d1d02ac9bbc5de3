// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { startNode } from "../kit/node/simulated_node.ts";
import { hasProgram, peerIsThere } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import { startPrometheus } from "../kit/prometheus.ts";

test("a real Prometheus scrapes the agent, and the series of an ended sandbox end", async (context) => {
  if (!peerIsThere(context, "prometheus", hasProgram("prometheus"))) return;
  const node = await startNode();
  const prometheus = await startPrometheus(node.listenAddress);
  try {
    const pods = [...node.simulator.sandboxes.values()];
    await poll("every sandbox to be in Prometheus", async () => {
      const up = await prometheus.query("kata_collector_sandbox_up == 1");
      return up.length === pods.length ? true : undefined;
    });
    assert.deepEqual(await prometheus.target(), { health: "up", lastError: "" });

    const threads = await prometheus.query("kata_shim_threads");
    const got = threads.map(({ metric }) => [
      metric["sandbox_id"],
      metric["cri_uid"],
      metric["cri_name"],
      metric["cri_namespace"],
    ]);
    const want = pods.map(({ id, pod }) => [id, pod.uid, pod.name, pod.namespace]);
    assert.deepEqual(got.sort(), want.sort());

    const [ended] = pods;
    assert.ok(ended !== undefined);
    await node.simulator.end(ended.id);
    await poll("the ended sandbox's series to end", async () => {
      const left = await prometheus.query(`{sandbox_id="${ended.id}"}`);
      return left.length === 0 ? true : undefined;
    });
    assert.equal((await prometheus.query("kata_collector_sandbox_up == 1")).length, pods.length - 1);
  } finally {
    await prometheus.close();
    await node.close();
  }
});

test("promtool has no remarks on the page except on Kata's names", async (context) => {
  if (!peerIsThere(context, "promtool", hasProgram("promtool"))) return;
  const node = await startNode();
  try {
    const page = await poll("every sandbox to be on the page", async () => {
      const text = await node.page();
      return (text.match(/^kata_collector_sandbox_up\{.*\} 1$/gm) ?? []).length === 3 ? text : undefined;
    });
    const { status, stderr } = spawnSync("promtool", ["check", "metrics"], { input: page, encoding: "utf8" });
    assert.ok(status === 0 || status === 3, stderr);
    const remarks = stderr.split("\n").filter((line) => line !== "" && !UPSTREAM_REMARK.test(line));
    assert.deepEqual(remarks, []);
  } finally {
    await node.close();
  }
});

/** The remarks of promtool's linter on names of Kata's, which dashboards use and which therefore stay. */
const UPSTREAM_REMARK =
  /^kata_(shim|hypervisor|agent|guest|virtiofsd)_\S+ (counter metrics should have "_total" suffix|non-counter metrics should not have "_(total|count)" suffix|non-histogram and non-summary metrics should not have "_count" suffix|metric names should not contain abbreviated units|metric name should not include type 'histogram'|use base unit .*|no help text)$/;
