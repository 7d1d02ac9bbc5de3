// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type AgentProcess, startAgentProcess } from "../kit/node/agent_process.ts";
import { startNode } from "../kit/node/simulated_node.ts";
import { PYTHON, peerIsThere } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import type { OtlpJsonRequest } from "./otlp_receiver.ts";

const hasReader =
  spawnSync(PYTHON, ["-c", "import opentelemetry.proto.collector"], { stdio: "ignore" }).status === 0;

/** Reads the file with the Python package opentelemetry-proto. Throws where that fails. */
function requestsIn(format: "json" | "proto", path: string): OtlpJsonRequest[] {
  const script = join(import.meta.dirname, "otlp_file.py");
  const output = execFileSync(PYTHON, [script, format, path], { encoding: "utf8", maxBuffer: 2 ** 30 });
  return output
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

/** Returns the last value of each gauge and sum, by `name{labels}`. */
function lastNumbers(requests: readonly OtlpJsonRequest[]): Map<string, number> {
  const found = new Map<string, number>();
  const resources = requests.flatMap(({ resourceMetrics = [] }) => resourceMetrics);
  const metrics = resources.flatMap(({ scopeMetrics = [] }) =>
    scopeMetrics.flatMap((scope) => scope.metrics ?? []),
  );
  for (const { name, gauge, sum } of metrics) {
    for (const { attributes = [], flags, asDouble } of (gauge ?? sum)?.dataPoints ?? []) {
      if (flags === 1) continue;
      const labels = attributes.map(({ key, value }) => `${key}="${value.stringValue ?? ""}"`);
      found.set(labels.length === 0 ? name : `${name}{${labels.join(",")}}`, Number(asDouble));
    }
  }
  return found;
}

test("an agent that is killed again and again leaves complete records, which another program can read", async (context) => {
  if (!peerIsThere(context, "Python with opentelemetry-proto", hasReader)) return;
  const folder = mkdtempSync(join(tmpdir(), "otlp-file-"));
  const paths = { json: join(folder, "metrics.json"), proto: join(folder, "metrics.bin") };
  const node = await startNode({
    simulator: { sandboxes: 1, flavor: "go" },
    configure(config) {
      config.receivers["kata"] = { ...config.receivers["kata"], collection_interval: "100ms" };
      const options = { append: true, flush_interval: "1ms" };
      config.exporters["file/json"] = { ...options, path: paths.json };
      config.exporters["file/proto"] = { ...options, path: paths.proto, format: "proto" };
      const { metrics } = config.service.pipelines;
      if (metrics !== undefined) metrics["exporters"] = ["prometheus", "file/json", "file/proto"];
    },
  });
  let agent: AgentProcess = node.agent;
  try {
    for (const delayMs of [0, 33, 71]) {
      const { size } = statSync(paths.json);
      await poll("more records", () => (statSync(paths.json).size > size ? true : undefined));
      await sleep(delayMs);
      agent.kill("SIGKILL");
      await agent.finished;
      agent = await startAgentProcess(node.config);
    }
    const { size } = statSync(paths.proto);
    await poll("records after the last start", () => (statSync(paths.proto).size > size ? true : undefined));
    await agent.stop();

    const [sandbox] = node.simulator.sandboxes.values();
    for (const format of ["json", "proto"] as const) {
      const got = lastNumbers(requestsIn(format, paths[format]));
      let compared = 0;
      for (const line of sandbox?.shim?.lastPage?.toString().split("\n") ?? []) {
        const [, name = "", value = ""] = /^((?:kata_|go_|process_)\S+) (\S+)$/.exec(line) ?? [];
        if (name === "" || /_bucket\{|_(sum|count)(\{|$)|quantile=/.test(name)) continue;
        assert.equal(got.get(name.replace(/^(go_|process_)/, "kata_shim_$1")), Number(value), name);
        compared++;
      }
      assert.ok(compared > 900, `${compared} numbers compared`);
    }
  } finally {
    agent.kill("SIGKILL");
    await node.close();
    rmSync(folder, { recursive: true });
  }
});
