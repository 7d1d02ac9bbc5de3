// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { poll } from "../../test/kit/poll.ts";
import { type SimulatedPod, startCriServer } from "../simulator/cri_server.ts";
import type { PodEvent } from "./pod.ts";
import { ContainerRuntime } from "./runtime.ts";

/** A runtime's client, and the socket on which one can be started. */
async function bench(context: TestContext, timeoutMs = 2_000) {
  const folder = await mkdtemp(join(tmpdir(), "cri-"));
  const socketPath = join(folder, "c.sock");
  const heard: PodEvent[] = [];
  const { promise: lost, resolve: onLost } = Promise.withResolvers<void>();
  const endpoint = `unix://${socketPath}`;
  const runtime = new ContainerRuntime({
    endpoint,
    timeoutMs,
    onEvent: (event) => heard.push(event),
    onLost,
  });
  context.after(async () => {
    runtime.close();
    await rm(folder, { recursive: true });
  });
  const start = async (runtimeVersion = "2.0.0") => {
    const server = await startCriServer({ socketPath, runtimeVersion });
    context.after(() => server.close());
    return server;
  };
  return { runtime, endpoint, socketPath, heard, lost, start, list: () => runtime.pods(() => true) };
}

const pod: SimulatedPod = {
  id: "s1",
  uid: "u1",
  name: "n",
  namespace: "ns",
  labels: {},
  annotations: {},
  runtimeHandler: "",
  createdAtMs: 0,
};

function until(what: string, done: () => boolean): Promise<boolean> {
  return poll(what, () => done() || undefined);
}

test("a connection is used again, and every answer names its runtime", async (context) => {
  const { list, start, endpoint } = await bench(context);
  const server = await start();
  await list();
  assert.deepEqual((await list()).from, { endpoint, name: "containerd", version: "2.0.0" });
  assert.deepEqual(server.calls, { list: 2, version: 1, events: 0 });
});

test("a silent runtime does not get a connection per call", async (context) => {
  const { list, socketPath } = await bench(context, 50);
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => {
    sockets.add(socket);
    socket.resume().on("close", () => sockets.delete(socket));
  }).listen(socketPath);
  context.after(() => {
    silent.close();
    for (const socket of sockets) socket.destroy();
  });
  for (let round = 0; round < 3; round++) await assert.rejects(list(), /no answer within \d+ ms/);
  await until("the looks at the socket to be over", () => sockets.size <= 1);
  assert.equal(sockets.size, 1);
});

test("a lost connection is reported, and the next call finds the restarted runtime", async (context) => {
  const { list, start, lost } = await bench(context);
  const first = await start();
  await list();
  await first.close();
  await lost;
  await assert.rejects(list(), /connect ENOENT/);
  await start("2.2.0");
  assert.equal((await list()).from.version, "2.2.0");
});

test("events are followed once, and again after the stream broke", async (context) => {
  const { runtime, list, start, heard, lost } = await bench(context);
  runtime.follow();
  const first = await start();
  await list();
  runtime.follow();
  runtime.follow();
  await until("the stream", () => first.calls.events === 1);
  first.add(pod);
  await until("the event", () => heard.length === 1);
  await first.close();
  await lost;

  const again = await start();
  await list();
  runtime.follow();
  await until("the stream", () => again.calls.events === 1);
  again.add(pod);
  await until("the event", () => heard.length === 2);
});

test("a runtime whose events go to one listener only is not listened to", async (context) => {
  const { runtime, list, start } = await bench(context);
  const server = await start("1.7.27");
  await list();
  runtime.follow();
  await list();
  assert.equal(server.calls.events, 0);
});

test("a stream that is not implemented is not tried again on that connection", async (context) => {
  const { runtime, list, start } = await bench(context);
  const server = await start();
  server.behave({ events: false });
  await list();
  for (let round = 0; round < 3; round++) {
    runtime.follow();
    await until("the first try", () => server.calls.events === 1);
    await list();
  }
  assert.equal(server.calls.events, 1);
});

test("close ends a call that runs, and no call begins after it", async (context) => {
  const { runtime, list, start } = await bench(context, 60_000);
  const server = await start();
  server.behave({ hang: true });
  const answer = list();
  await until("the call", () => server.calls.version === 1);
  runtime.close();
  await assert.rejects(answer, /cannot/);
  await assert.rejects(list(), /it is closed/);
});
