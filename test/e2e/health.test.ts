// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { type TestContext, test } from "node:test";
import { answering, startPushServer } from "../kit/destinations/push_server.ts";
import { freePort } from "../kit/free_port.ts";
import { type AgentConfigObject, type SimulatedNode, startNode } from "../kit/node/simulated_node.ts";
import { poll } from "../kit/poll.ts";

interface Answer {
  readonly status: number;
  readonly reasons: readonly string[];
}

interface Scene {
  readonly node: SimulatedNode;
  get(path: string): Promise<Answer>;
  /** Waits until the path answers with this status, and returns the reasons in the answer. */
  until(path: string, status: number, limitMs?: number): Promise<readonly string[]>;
  /** Returns the log lines with this message. */
  said(message: string): readonly Record<string, unknown>[];
}

const BEGIN = "The destination takes no data; retrying.";

/** Starts an agent with the page, an OTLP exporter to `endpoint`, and health checks. */
async function scene(context: TestContext, endpoint: string, exporter: object = {}): Promise<Scene> {
  const address = `127.0.0.1:${await freePort()}`;
  const node = await startNode({
    simulator: { sandboxes: 1, flavor: "go" },
    configure(config: AgentConfigObject) {
      Object.assign(config, { extensions: { health_check: { endpoint: address } } });
      Object.assign(config.service, { extensions: ["health_check"], shutdown_timeout: "2s" });
      config.service.telemetry = { metrics: { level: "none" }, logs: { encoding: "json" } };
      config.exporters["otlp_http"] = { endpoint, compression: "none", ...exporter };
      config.service.pipelines["metrics"]?.["exporters"]?.push("otlp_http");
    },
  });
  context.after(() => node.close());
  const get = async (path: string): Promise<Answer> => {
    const response = await fetch(`http://${address}${path}`);
    const { reasons = [] } = (await response.json()) as { reasons?: readonly string[] };
    return { status: response.status, reasons };
  };
  return {
    node,
    get,
    until: (path, status, limitMs) =>
      poll(
        `${path} to answer ${status}`,
        async () => {
          const answer = await get(path);
          return answer.status === status ? answer.reasons : undefined;
        },
        limitMs,
      ),
    said: (message) =>
      node.agent
        .stderr()
        .split("\n")
        .filter((line) => line.includes(`"${message}"`))
        .map((line) => JSON.parse(line)),
  };
}

/** Returns a URL at which no server listens. */
async function nowhere(): Promise<string> {
  return `http://127.0.0.1:${await freePort()}`;
}

test("an agent whose destination is down from the start is ready, and logs one warning", async (context) => {
  const { until, said, node, get } = await scene(context, await nowhere());
  await poll("the exporter as a reason", async () => {
    const { reasons } = await get("/ready?strict");
    return (
      reasons.some((reason) => reason.startsWith('exporter "otlp_http": recoverable error: ')) || undefined
    );
  });
  await until("/ready", 200);
  const [line] = await poll("the line", () => (said(BEGIN).length > 0 ? said(BEGIN) : undefined));
  assert.equal(line?.["level"], "warn");
  assert.match(String(line?.["error"]), /ECONNREFUSED/);
  await writeFile(node.configPath, "exporters: {nowhere: 1}");
  node.agent.kill("SIGHUP");
  await poll("the reload", () => node.agent.stderr().includes("Configuration has faults") || undefined);
  for (const path of ["/ready", "/live"]) assert.deepEqual(await get(path), { status: 200, reasons: [] });
  assert.equal(said(BEGIN).length, 1);
});

test("a full queue is not ready, and ready again when it has drained", async (context) => {
  let isDown = true;
  const { url } = await startPushServer(context, {
    answers: [(request, response) => answering(isDown ? 503 : 200)(request, response)],
  });
  const { until, said, get } = await scene(context, url, {
    retry_on_failure: { initial_interval: "100ms", max_interval: "1s" },
    sending_queue: { queue_size: 3, sizer: "requests" },
  });
  const reasons = await until("/ready", 503);
  assert.deepEqual(reasons, ['exporter "otlp_http": its queue takes no readings: sending queue is full']);
  assert.equal((await get("/live")).status, 200);
  isDown = false;
  await until("/ready", 200, 90_000);
  const [end] = said("The destination takes data again.");
  const { rejected = 0 } = (end?.["lost_points"] ?? {}) as Record<string, number>;
  assert.ok(rejected > 0, JSON.stringify(end));
});

test("an agent is not ready while it drains at its stop", async (context) => {
  const { url } = await startPushServer(context, { answers: [() => {}] });
  const { until, node } = await scene(context, url);
  await until("/ready", 200);
  await poll("a point on its way", async () => (await node.page()).includes("_sandbox_up") || undefined);
  const stopped = node.agent.stop();
  assert.deepEqual(await until("/ready", 503), ["the agent is stopping"]);
  await stopped;
});
