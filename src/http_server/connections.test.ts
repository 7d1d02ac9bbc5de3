// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { get, type Listener, startListener } from "../../test/kit/component/listener.ts";
import { poll } from "../../test/kit/poll.ts";
import { testFolder } from "../../test/kit/test_folder.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import { answerText, type Route } from "./server.ts";

const OK = /^HTTP\/1\.1 200 /;

/** A connection on which one request has been answered. */
async function idle({ open }: Listener, from?: string) {
  const socket = await open(from);
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "data");
  return socket;
}

/** A route that answers when the test says so, and how many requests it has. */
function waitingRoute() {
  const release = Promise.withResolvers<void>();
  let count = 0;
  const route: Route = async (_request, response, signal) => {
    count++;
    signal.addEventListener("abort", () => release.reject(signal.reason));
    await release.promise;
    answerText(response, 200, "at last");
  };
  return { route, count: () => count, release: () => release.resolve() };
}

for (const kind of ["silent", "idle", "half"] as const) {
  test(`${kind} connections give way to new ones, the longest waiting first`, async (context) => {
    const limits = { connectionsMax: 10, connectionsPerAddressMax: 4 };
    const listener = await startListener(context, { limits, clock: new FakeClock() });
    const sockets: Socket[] = [];
    for (let i = 0; i < 20; i++) {
      const socket = kind === "idle" ? await idle(listener) : await listener.open();
      if (kind === "half") socket.write("GET / HTTP/1.1\r\n");
      sockets.push(socket);
      assert.match(await listener.send(get("/")), OK);
    }
    await poll("all but the last to be evicted", () => listener.closed("evicted") >= 17 || undefined);
    await poll("the oldest to be closed", () => sockets[0]?.destroyed || undefined);
    assert.equal(sockets.at(-1)?.destroyed, false);
    assert.equal(listener.closed("limit"), 0);
    assert.equal(listener.lines.length, 1);
  });
}

test("a client of a unix socket is admitted like any other", async (context) => {
  const address = { path: join(testFolder(context), "socket") };
  const listener = await startListener(context, { address, limits: { connectionsPerAddressMax: 4 } });
  for (let i = 0; i < 20; i++) {
    await idle(listener);
    assert.match(await listener.send(get("/")), OK);
  }
});

test("at the limit, the address with most connections loses one; others keep their idle connections", async (context) => {
  const limits = { connectionsMax: 6, connectionsPerAddressMax: 5 };
  const listener = await startListener(context, { limits, clock: new FakeClock() });
  const honest = [await idle(listener, "127.0.0.2"), await idle(listener, "127.0.0.3")];
  for (let i = 0; i < 20; i++) await idle(listener);
  for (const from of ["127.0.0.4", "127.0.0.5", "127.0.0.6"])
    assert.match(await listener.send(get("/"), from), OK);
  for (const socket of honest) {
    socket.write(get("/"));
    assert.match(String((await once(socket, "data"))[0]), OK);
  }
});

test("a connection on which a route works is never closed for another one", async (context) => {
  const { route, count, release } = waitingRoute();
  const limits = { connectionsMax: 3, connectionsPerAddressMax: 3 };
  const listener = await startListener(context, { limits, routes: { "/slow": route } });
  const answers = Array.from({ length: 3 }, () => listener.send(get("/slow")));
  await poll("all of them to be asked", () => count() === 3 || undefined);
  assert.equal(await listener.send(get("/")), "");
  assert.equal(await listener.send(get("/"), "127.0.0.2"), "");
  assert.equal(listener.closed("limit"), 2);
  release();
  for (const answer of await Promise.all(answers)) assert.match(answer, /at last/);
  assert.match(await listener.send(get("/")), OK);
});

test("a connection whose answer is not read is closed for another one, or after its time-out", async (context) => {
  const clock = new FakeClock();
  const large: Route = async (_request, response) => {
    response.end(Buffer.alloc(64 * 1024 * 1024));
  };
  const listener = await startListener(context, {
    limits: { connectionsMax: 2 },
    timeouts: { writeMs: 30_000 },
    clock,
    routes: { "/large": large },
  });
  const ask = async () => {
    const socket = await listener.open();
    socket.write("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(socket, "readable");
    return socket;
  };
  const [first] = [await ask(), await ask()];
  assert.match(await listener.send(get("/")), OK);
  assert.equal(listener.closed("evicted"), 1);
  await once(first.resume(), "close");
  await clock.advance(29_000);
  assert.equal(listener.closed("write_timeout"), 0);
  await clock.advance(2_000);
  assert.equal(listener.closed("write_timeout"), 1);
});

test("each state of a connection has its time", async (context) => {
  const clock = new FakeClock();
  const { route, count } = waitingRoute();
  const timeouts = { readMs: 5_000, writeMs: 20_000, idleMs: 60_000 };
  const listener = await startListener(context, { clock, timeouts, routes: { "/slow": route } });
  const silent = await listener.open();
  const half = await listener.open();
  half.write("GET / HT");
  const resting = await idle(listener);
  const begun = await idle(listener);
  begun.write("GET / HTTP/1.1\r\n");
  const served = await listener.open();
  served.write(get("/slow"));
  await poll("the request", () => count() === 1 || undefined);
  const reasons = ["read_timeout", "write_timeout", "idle_timeout"];
  const want: readonly (readonly [number, readonly number[]])[] = [
    [4_000, [0, 0, 0]],
    [1_000, [2, 0, 0]],
    [1_000, [3, 0, 0]],
    [13_000, [3, 0, 0]],
    [1_000, [3, 1, 0]],
    [39_000, [3, 1, 0]],
    [1_000, [3, 1, 1]],
  ];
  for (const [ms, counts] of want) {
    await clock.advance(ms);
    assert.deepEqual(reasons.map(listener.closed), counts);
  }
  for (const socket of [silent, half, begun, resting, served])
    await poll("the end of the connection", () => socket.destroyed || socket.resume().closed || undefined);
  assert.equal(clock.timerCount, 0, "without connections there is nothing to look at");
});

test("a client that sends requests and takes no answers is cut", async (context) => {
  const { route } = waitingRoute();
  const listener = await startListener(context, { routes: { "/slow": route } });
  const socket = await listener.open();
  socket.write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1_000));
  await once(socket.resume(), "close");
  assert.equal(listener.closed("pipelining"), 1);
});
