// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startNode } from "../kit/node/simulated_node.ts";
import { poll } from "../kit/poll.ts";

/** Starts a server that accepts connections and sends nothing. Returns its address. */
async function startSilentServer(context: TestContext): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    context.after(() => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Requests the page and does not read it. */
async function startStuckPuller(context: TestContext, address: string): Promise<void> {
  const [host, port] = address.split(":");
  const socket = connect({ host: host ?? "", port: Number(port) });
  context.after(() => socket.destroy());
  socket.on("error", () => socket.destroy());
  await once(socket, "connect");
  socket.write("GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n");
}

interface LogLine {
  readonly msg: string;
  readonly "otelcol.component.id"?: string;
  readonly dropped_items?: number;
  readonly items?: number;
}

test("a shutdown ends within its time limit, whatever hangs, and reports how many points are lost or kept", async (context) => {
  const storage = await mkdtemp(join(tmpdir(), "storage-"));
  context.after(() => rm(storage, { recursive: true, force: true }));
  const endpoint = await startSilentServer(context);
  const node = await startNode({
    simulator: { faults: { hang: 1 } },
    configure(config) {
      const { service, exporters } = config;
      Object.assign(config, { extensions: { file_storage: { directory: storage } } });
      Object.assign(service, { extensions: ["file_storage"], shutdown_timeout: "2s" });
      service.telemetry = { metrics: { level: "none" }, logs: { encoding: "json" } };
      exporters["otlp_grpc/lost"] = { endpoint };
      exporters["otlp_http/kept"] = { endpoint, sending_queue: { storage: "file_storage" } };
      service.pipelines["metrics"]?.["exporters"]?.push("otlp_grpc/lost", "otlp_http/kept");
    },
  });
  context.after(() => node.close());
  const { simulator, agent } = node;
  simulator.cri?.behave({ hang: true });
  // The agent asks for its pod and gets no answer.
  const { id } = await simulator.add();
  await poll("the runtime to be asked", () => agent.stderr().includes(id) || undefined);
  await poll("a page with data", async () => (await node.page()).includes("kata_guest_") || undefined);
  await startStuckPuller(context, node.listenAddress);

  const { code, stderr } = await agent.stop();
  const lines = stderr.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as LogLine]));
  assert.equal(code, 0, stderr);
  assert.equal(lines.at(-1)?.msg, "Shutdown complete.");
  assert.doesNotMatch(stderr, /ran over its deadline/);
  const of = (component: string): LogLine[] =>
    lines.filter((line) => line["otelcol.component.id"] === component);
  const lost = of("otlp_grpc/lost").reduce((sum, { dropped_items = 0 }) => sum + dropped_items, 0);
  const kept = of("otlp_http/kept").find(({ msg }) => msg === "What was not delivered stays on disk.")?.items;
  assert.ok(lost > 0);
  assert.equal(kept, lost, "both got the same, and none of it was delivered");
});
