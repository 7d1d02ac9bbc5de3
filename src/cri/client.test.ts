// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { type CriServer, type SimulatedPod, startCriServer } from "../simulator/cri_server.ts";
import { CriClient, CriError, type CriFailure } from "./client.ts";

const POD: SimulatedPod = {
  id: "s1",
  uid: "u1",
  name: "web-1",
  namespace: "default",
  labels: { app: "web" },
  annotations: {},
  runtimeHandler: "kata",
  createdAtMs: 1_700_000_000_000,
};

async function socketPath(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "cri-"));
  context.after(() => rm(folder, { recursive: true }));
  return join(folder, "cri.sock");
}

async function connected(context: TestContext, timeoutMs = 5_000) {
  const path = await socketPath(context);
  const server = await startCriServer({ socketPath: path });
  const { promise: lost, resolve: onLost } = Promise.withResolvers<void>();
  const client = new CriClient({ endpoint: server.endpoint, timeoutMs, onLost });
  context.after(async () => {
    client.close();
    await server.close();
  });
  return { path, server, client, lost };
}

async function checkFailure(call: Promise<unknown>, want: CriFailure, message: RegExp): Promise<void> {
  const error = await call.then(
    () => assert.fail(`want ${want}, got an answer`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CriError, String(error));
  assert.equal(error.failure, want, error.message);
  assert.match(error.message, message);
}

test("version and pods are as the runtime says", async (context) => {
  const { server, client } = await connected(context);
  server.add(POD);
  server.add({ ...POD, id: "s2" });
  assert.deepEqual(await client.version(), { name: "containerd", version: "2.0.0" });
  const { all, wanted } = await client.pods((id) => id === "s1");
  assert.deepEqual([...all.keys()], ["s1", "s2"]);
  assert.deepEqual(
    wanted.map(({ id, labels }) => [id, labels]),
    [["s1", new Map([["app", "web"]])]],
  );
});

test("a list of 10 MiB is read, one over the limit is an error", async (context) => {
  const { server, client } = await connected(context);
  server.add(POD);
  server.behave({ answerBytes: 10 * 1024 ** 2 });
  assert.equal((await client.pods((id) => id === "s1")).wanted.length, 1);
  server.behave({ answerBytes: 17 * 1024 ** 2 });
  await checkFailure(
    client.pods(() => true),
    "too_large",
    /^cannot call ListPodSandbox at "unix:/,
  );
});

test("each kind of failure has its name", async (context) => {
  const { server, client } = await connected(context, 200);
  const list = () => client.pods(() => true);
  server.behave({ hang: true });
  await checkFailure(list(), "timeout", /no answer within \d+ ms$/);
  server.behave({ garbage: true });
  await checkFailure(list(), "malformed", /cannot call ListPodSandbox/);
  server.behave({ errorCode: status.UNIMPLEMENTED });
  await checkFailure(list(), "unimplemented", /simulated failure/);
  server.behave({ errorCode: status.INTERNAL });
  await checkFailure(list(), "error", /simulated failure/);
  server.behave({});
  assert.equal((await list()).all.size, 0);
});

test("a list that takes longer than the timeout comes after a time-out or two, and then every time", async (context) => {
  const { server, client } = await connected(context, 50);
  server.add(POD);
  server.behave({ delayMs: 120 });
  const list = () => client.pods(() => true);
  let failures = 0;
  const answer = async (): Promise<number> => {
    for (;;) {
      try {
        return (await list()).all.size;
      } catch (error) {
        assert.ok(error instanceof CriError && error.failure === "timeout", String(error));
        failures++;
      }
    }
  };
  assert.equal(await answer(), 1);
  assert.ok(failures >= 2, "50 and 100 ms are too little");
  const before = failures;
  // A quick answer to another question makes this one's deadline no shorter.
  server.behave({});
  for (let round = 0; round < 3; round++) await client.version();
  server.behave({ delayMs: 120 });
  assert.equal(await answer(), 1);
  assert.ok(failures <= before + 1, `${failures - before} more time-outs`);
});

test("a socket that is absent is unavailable", async (context) => {
  const client = new CriClient({ endpoint: `unix://${await socketPath(context)}`, timeoutMs: 300 });
  context.after(() => client.close());
  await checkFailure(client.version(), "unavailable", /: connect ENOENT \/\S+$/);
});

test("a peer that accepts and answers nothing gets one connection, however often it is called", async (context) => {
  const path = await socketPath(context);
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => sockets.add(socket)).listen(path);
  const client = new CriClient({ endpoint: `unix://${path}`, timeoutMs: 100 });
  context.after(() => {
    client.close();
    silent.close();
    for (const socket of sockets) socket.destroy();
  });
  for (let round = 0; round < 3; round++) {
    await checkFailure(client.version(), "timeout", /no answer within \d+ ms$/);
  }
  assert.equal(sockets.size, 1);
});

test("a restarted runtime is called over a new connection, and the loss of the old one is reported", async (context) => {
  const { path, server, client, lost } = await connected(context);
  await client.version();
  await server.close();
  await lost;
  const again = await startCriServer({ socketPath: path, runtimeVersion: "2.1.0" });
  context.after(() => again.close());
  assert.equal((await client.version()).version, "2.1.0");
});

test("events tell about pods until the stream ends", async (context) => {
  const { server, client } = await connected(context);
  const heard: string[] = [];
  const ended = new Promise<string>((resolve) => {
    client.events({
      event: ({ pod }) => {
        heard.push(pod?.id ?? "");
        if (heard.length === 2) void server.close();
      },
      end: resolve,
    });
  });
  await untilListening(server);
  server.add(POD);
  server.add({ ...POD, id: "s2" });
  assert.equal(await ended, "unavailable");
  assert.deepEqual(heard, ["s1", "s2"]);
});

test("a runtime without events says so", async (context) => {
  const { server, client } = await connected(context);
  server.behave({ events: false });
  const failure = await new Promise((end) => client.events({ event: () => assert.fail(), end }));
  assert.equal(failure, "unimplemented");
});

test("close ends the calls that run, and a stream without a call of end", async (context) => {
  const { server, client } = await connected(context);
  client.events({ event: () => assert.fail(), end: () => assert.fail("end after close") });
  await untilListening(server);
  server.behave({ hang: true });
  const call = client.version();
  client.close();
  await checkFailure(call, "unavailable", /cannot call Version/);
});

async function untilListening(server: CriServer): Promise<void> {
  const until = performance.now() + 5_000;
  while (server.calls.events === 0) {
    assert.ok(performance.now() < until, "nobody listens to the events");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
