import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { startCriServer } from "../simulator/cri_server.ts";
import type { Pod } from "./pod.ts";
import { Runtime } from "./runtime.ts";

interface Bench {
  readonly paths: readonly [string, string];
  readonly runtime: Runtime;
  readonly heard: Pod[];
  readonly lost: Promise<void>;
  start(index: 0 | 1, version?: string): ReturnType<typeof startCriServer>;
}

/** A runtime that may listen on either of two sockets. */
async function bench(context: TestContext, timeoutMs = 2_000): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), "cri-"));
  const paths = [join(folder, "first.sock"), join(folder, "second.sock")] as const;
  const heard: Pod[] = [];
  const { promise: lost, resolve: onLost } = Promise.withResolvers<void>();
  const runtime = new Runtime({
    endpoints: paths.map((path) => `unix://${path}`),
    timeoutMs,
    onPod: (pod) => heard.push(pod),
    onLost,
  });
  context.after(async () => {
    runtime.close();
    await rm(folder, { recursive: true });
  });
  const start = async (index: 0 | 1, runtimeVersion = "2.0.0") => {
    const server = await startCriServer({ socketPath: paths[index], runtimeVersion });
    context.after(() => server.close());
    return server;
  };
  return { paths, runtime, heard, lost, start };
}

const pod = {
  id: "s1",
  uid: "u1",
  name: "n",
  namespace: "ns",
  labels: {},
  annotations: {},
  runtimeHandler: "",
};

function all(runtime: Runtime): Promise<Map<string, Pod>> {
  return runtime.pods(() => true);
}

async function until(what: string, done: () => boolean): Promise<void> {
  const limit = performance.now() + 5_000;
  while (!done()) {
    assert.ok(performance.now() < limit, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("the first endpoint that answers is the runtime; a connection is used again", async (context) => {
  const { runtime, start, paths } = await bench(context);
  const second = await start(1);
  await all(runtime);
  await all(runtime);
  assert.deepEqual(second.calls, { list: 2, version: 1, events: 0 });
  assert.deepEqual(runtime.identity, {
    endpoint: `unix://${paths[1]}`,
    name: "containerd",
    version: "2.0.0",
  });
});

test("an endpoint that answers without CRI v1 is passed over", async (context) => {
  const { runtime, start } = await bench(context);
  const first = await start(0);
  first.behave({ errorCode: status.UNIMPLEMENTED });
  const second = await start(1);
  await all(runtime);
  assert.equal(second.calls.list, 1);
});

test("when the runtime stops answering, the endpoints are tried anew", async (context) => {
  const { runtime, start } = await bench(context, 200);
  const first = await start(0);
  await all(runtime);
  first.behave({ hang: true });
  await assert.rejects(all(runtime), /no answer within/);
  const second = await start(1);
  await all(runtime);
  assert.equal(second.calls.list, 1);
});

test("where nothing answers, the failure names every endpoint and the way out", async (context) => {
  const { runtime, paths } = await bench(context);
  await assert.rejects(all(runtime), (error: Error) => {
    assert.match(error.message, /^cannot find a container runtime; name its endpoint: /);
    for (const path of paths) assert.ok(error.message.includes(`connect ENOENT ${path}`), path);
    return true;
  });
});

test("a silent runtime is not given a connection per search", async (context) => {
  const { runtime, paths } = await bench(context, 50);
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => {
    sockets.add(socket);
    socket.resume().on("close", () => sockets.delete(socket));
  }).listen(paths[0]);
  context.after(() => {
    silent.close();
    for (const socket of sockets) socket.destroy();
  });
  for (let round = 0; round < 3; round++) await assert.rejects(all(runtime), /no answer within 50 ms/);
  await until("the looks at the socket to be over", () => sockets.size <= 1);
  assert.equal(sockets.size, 1);
});

test("a lost connection is told, and the next call finds the restarted runtime", async (context) => {
  const { runtime, start, lost } = await bench(context);
  const first = await start(0);
  await all(runtime);
  await first.close();
  await lost;
  assert.equal(runtime.identity?.version, undefined);
  await start(0, "2.2.0");
  await all(runtime);
  assert.equal(runtime.identity?.version, "2.2.0");
});

test("events are followed once, and again after the stream broke", async (context) => {
  const { runtime, start, heard, lost } = await bench(context);
  const first = await start(0);
  await all(runtime);
  runtime.follow();
  runtime.follow();
  await until("the stream", () => first.calls.events === 1);
  first.add({ ...pod, createdAtMs: 0 });
  await until("the event", () => heard.length === 1);
  await first.close();
  await lost;

  const again = await start(0);
  await all(runtime);
  runtime.follow();
  await until("the stream", () => again.calls.events === 1);
  again.add({ ...pod, createdAtMs: 0 });
  await until("the event", () => heard.length === 2);
});

test("a runtime whose events go to one listener only is not listened to", async (context) => {
  const { runtime, start } = await bench(context);
  const first = await start(0, "1.7.27");
  await all(runtime);
  runtime.follow();
  await all(runtime);
  assert.equal(first.calls.events, 0);
});

test("a stream that is not implemented is not tried again on that connection", async (context) => {
  const { runtime, start } = await bench(context);
  const first = await start(0);
  first.behave({ events: false });
  await all(runtime);
  for (let round = 0; round < 3; round++) {
    runtime.follow();
    await until("the first try", () => first.calls.events === 1);
    await all(runtime);
  }
  assert.equal(first.calls.events, 1);
});

test("close ends a search under way", async (context) => {
  const { runtime, start } = await bench(context, 60_000);
  const first = await start(0);
  first.behave({ hang: true });
  const answer = all(runtime);
  await until("the call", () => first.calls.version === 1);
  runtime.close();
  await assert.rejects(answer, /cannot/);
});
