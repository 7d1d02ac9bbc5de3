// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { freePort } from "../kit/free_port.ts";
import { startAgentWith } from "../kit/node/agent_process.ts";
import { type SimulatedNode, startNode } from "../kit/node/simulated_node.ts";
import { poll } from "../kit/poll.ts";

type AnyConfig = Record<string, Record<string, Record<string, unknown>>>;

interface Scene {
  readonly node: SimulatedNode;
  /** Changes the configuration and writes its file. */
  write(change: (config: AnyConfig) => void): Promise<void>;
  /** Waits until the agent's log contains the text this many times. */
  said(text: string, times?: number): Promise<true>;
}

/** Starts an agent with a debug exporter in addition to the page, whose configuration the test rewrites. */
async function scene(context: TestContext): Promise<Scene> {
  const node = await startNode({
    simulator: { sandboxes: 1 },
    configure(config) {
      config.service.telemetry = { metrics: { level: "none" }, logs: { encoding: "json" } };
    },
  });
  context.after(() => node.close());
  const { configPath, config } = node;
  return {
    node,
    async write(change) {
      const copy = JSON.parse(JSON.stringify(config)) as AnyConfig;
      change(copy);
      await writeFile(configPath, JSON.stringify(copy));
    },
    said: (text, times = 1) =>
      poll(`"${text}" in the log`, () => (node.agent.stderr().split(text).length > times ? true : undefined)),
  };
}

const isUp = (page: string): boolean => /^kata_collector_sandbox_up\{.*\} 1$/m.test(page);

test("SIGHUP changes to the new configuration, and components that are the same go on undisturbed", async (context) => {
  const { node, write, said } = await scene(context);
  await poll("the sandbox on the page", async () => isUp(await node.page()) || undefined);
  await write((config) => {
    Object.assign(config["exporters"] ?? {}, { debug: { verbosity: "basic" } });
    const pipelines = config["service"]?.["pipelines"] as { metrics: { exporters: string[] } };
    pipelines.metrics.exporters.push("debug");
  });
  node.agent.kill("SIGHUP");
  await said("Configuration was reloaded.");
  assert.ok(isUp(await node.page()), "the page has not lost its sandbox");
  await said("data points");
  assert.equal(node.agent.stderr().split("Sandbox found.").length, 2, "the receiver was kept");
  assert.equal(node.agent.stderr().split("Serving metrics.").length, 2, "the page's listener was kept");
});

test("a reload changes the log level of every component, and refuses changes that need a restart", async (context) => {
  const { node, write, said } = await scene(context);
  const changeLogs = async (logs: object): Promise<void> => {
    await write((config) => {
      Object.assign(config["service"] ?? {}, { telemetry: { metrics: { level: "none" }, logs } });
    });
    node.agent.kill("SIGHUP");
  };
  await changeLogs({ encoding: "json", level: "debug" });
  await said("Configuration was reloaded.");
  await node.simulator.add();
  await said("Sandbox is shown.");
  await changeLogs({ encoding: "console" });
  await said("service::telemetry has changed in more than logs::level, which needs a restart");
});

test("after a configuration with faults, or one that cannot start, the agent reports it and goes on with the old one", async (context) => {
  const { node, write, said } = await scene(context);
  await poll("the sandbox on the page", async () => isUp(await node.page()) || undefined);
  await write((config) => {
    Object.assign(config["exporters"]?.["prometheus"] ?? {}, { endpoint: "nowhere", paht: "/x" });
  });
  node.agent.kill("SIGHUP");
  await said("Configuration has faults; the old one stays in use.");
  assert.match(node.agent.stderr(), /unknown key \\"paht\\"; did you mean \\"path\\"\?/);
  await write((config) => {
    Object.assign(config["exporters"]?.["prometheus"] ?? {}, { endpoint: "192.0.2.1:1" });
  });
  node.agent.kill("SIGHUP");
  await said("Configuration has faults; the old one stays in use.", 2);
  assert.match(
    node.agent.stderr(),
    /cannot start exporter \\"prometheus\\": cannot listen on 192\.0\.2\.1:1/,
  );
  await poll("the old page again", async () => isUp(await node.page().catch(() => "")) || undefined);
});

test("a reload over HTTP may remove the listener of its own request, and a failed reload changes no queue", async (context) => {
  const { node, write, said } = await scene(context);
  const endpoint = `127.0.0.1:${await freePort()}`;
  const change = (config: AnyConfig, health: object, otlp: object): void => {
    Object.assign(config, { extensions: { health_check: { endpoint, reload: true, ...health } } });
    Object.assign(config["exporters"] ?? {}, { otlp_grpc: { endpoint: "http://127.0.0.1:1", ...otlp } });
    Object.assign(config["service"] ?? {}, { extensions: ["health_check"] });
    const pipelines = config["service"]?.["pipelines"] as { metrics: { exporters: string[] } };
    pipelines.metrics.exporters.push("otlp_grpc");
  };
  const reload = (): Promise<Response> => fetch(`http://${endpoint}/-/reload`, { method: "POST" });
  await write((config) => change(config, {}, {}));
  node.agent.kill("SIGHUP");
  await said("Configuration was reloaded.");

  await write((config) => {
    change(config, {}, { headers: { a: "b" } });
    Object.assign(config["exporters"]?.["prometheus"] ?? {}, { endpoint: "192.0.2.1:1" });
  });
  const refused = await reload();
  assert.equal(refused.status, 500);
  assert.match(await refused.text(), /cannot listen on 192\.0\.2\.1:1/);
  assert.doesNotMatch(node.agent.stderr(), /Dropping data/);

  await write((config) => change(config, { path: "/health" }, {}));
  assert.equal((await reload()).status, 202);
  await poll("the new path", async () => {
    const answer = await fetch(`http://${endpoint}/health`).catch(() => undefined);
    return answer?.status === 200 || answer?.status === 503 ? true : undefined;
  });
  await said("Configuration was reloaded.", 2);
});

test("--watch reloads when a file of the configuration changes", async () => {
  const folder = await mkdtemp(join(tmpdir(), "watch-"));
  const path = join(folder, "config.yaml");
  const text = (interval: string): string =>
    JSON.stringify({
      receivers: { kata: { roots: ["/nowhere/run/vc/sbs"], collection_interval: interval } },
      exporters: { nop: null },
      service: {
        telemetry: { metrics: { level: "none" } },
        pipelines: { metrics: { receivers: ["kata"], exporters: ["nop"] } },
      },
    });
  await writeFile(path, text("15s"));
  const agent = await startAgentWith(["run", "--watch", "--config", path]);
  try {
    await writeFile(path, text("20s"));
    await poll("the reload", () => agent.stderr().includes("Configuration was reloaded.") || undefined);
  } finally {
    assert.equal((await agent.stop()).code, 0);
    await rm(folder, { recursive: true });
  }
});
