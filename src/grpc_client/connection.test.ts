// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Settings } from "node:http2";
import { type AddressInfo, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { setImmediate as settled } from "node:timers/promises";
import { type GrpcWireServer, startGrpcWireServer } from "../../test/kit/destinations/grpc_wire_server.ts";
import { poll } from "../../test/kit/poll.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import { dial } from "../peer/dial.ts";
import { type Http2Connection, type Keepalive, openConnection } from "./connection.ts";

const NEVER = new AbortController().signal;
const EVERY_MINUTE: Keepalive = { timeMs: 60_000, timeoutMs: 10_000, whenIdle: true };

async function open(context: TestContext, port: number, keepalive?: Keepalive) {
  const clock = new FakeClock();
  const socket = await dial({ host: "127.0.0.1", port }, NEVER);
  context.after(() => socket.destroy());
  const connection = await openConnection({ socket, isTls: false, keepalive, clock }, NEVER);
  return { connection, clock, socket };
}

function call(connection: Http2Connection, signal = NEVER, body: readonly Uint8Array[] = []) {
  const headers = { ":method": "POST", ":path": "/a.B/C", ":scheme": "http", ":authority": "a" };
  return connection.exchange({ headers, body, signal });
}

test("a silent connection gets a ping, without a call only if the config allows it", async (context) => {
  const server: GrpcWireServer = await startGrpcWireServer(context);
  const { clock, connection } = await open(context, server.port, EVERY_MINUTE);
  await clock.advance(59_999);
  await call(connection);
  await clock.advance(59_999);
  assert.equal(server.pings(), 0);
  await clock.advance(1);
  await poll("the ping", () => server.pings() === 1 || undefined);
  assert.ok(connection.isOpen);
  const idle = await open(context, server.port, { ...EVERY_MINUTE, whenIdle: false });
  await idle.clock.advance(300_000);
  await call(idle.connection);
  assert.equal(server.pings(), 1);
});

test("a peer that has vanished ends the connection, which says why", async (context) => {
  const server = await startGrpcWireServer(context);
  // Between client and server, so that it can fall silent.
  let isSilent = false;
  const relay = createServer((client) => {
    client.on("error", () => {});
    void dial({ host: "127.0.0.1", port: server.port }, NEVER).then((target) => {
      context.after(() => target.destroy());
      client.on("data", (chunk) => isSilent || target.write(chunk));
      target.on("data", (chunk) => isSilent || client.write(chunk));
    });
  });
  context.after(() => relay.close());
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  const { clock, connection } = await open(context, (relay.address() as AddressInfo).port, EVERY_MINUTE);
  isSilent = true;
  const pending = call(connection);
  await clock.advance(60_000);
  await clock.advance(10_000);
  await pending;
  assert.equal(connection.isOpen, false);
  assert.equal(connection.reason, "no answer to a keepalive ping within 10000 ms");
});

test("a server that sends no SETTINGS is no server of HTTP/2", async (context) => {
  const server = createServer((socket) =>
    socket.on("error", () => {}).end("HTTP/1.1 400 Bad Request\r\n\r\n"),
  );
  context.after(() => server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  await assert.rejects(open(context, (server.address() as AddressInfo).port), { code: "ERR_HTTP2_ERROR" });
});

test("close lets a call end and allows no further one", async (context) => {
  let finish = (): void => {};
  const server = await startGrpcWireServer(context, {
    answers: [
      (stream) => {
        finish = () => stream.respond({ ":status": 200, "grpc-status": "0" }, { endStream: true });
      },
    ],
  });
  const { connection, socket } = await open(context, server.port);
  const pending = call(connection);
  await poll("the call", () => server.calls[0]);
  connection.close();
  assert.equal(connection.isOpen, false);
  finish();
  await pending;
  await poll("the end of the connection", () => socket.destroyed || undefined);
});

test("a call ends with its signal, whatever keeps it from going out", async (context) => {
  const check = async (settings: Settings, body: readonly Uint8Array[] = []): Promise<void> => {
    const server = await startGrpcWireServer(context, { answers: [() => {}], settings });
    const { connection } = await open(context, server.port);
    // For the second of them there is no room on a connection of one stream.
    const attempts = [new AbortController(), new AbortController()];
    const pending = attempts.map(({ signal }) => call(connection, signal, body));
    await settled();
    for (const attempt of attempts.reverse()) attempt.abort();
    for (const answer of await Promise.all(pending)) assert.equal(answer.headers, undefined);
    assert.ok(connection.isOpen);
    connection.close();
  };
  await check({});
  await check({ maxConcurrentStreams: 0 });
  await check({ maxConcurrentStreams: 1 });
  await check({ initialWindowSize: 0 }, [Buffer.alloc(200_000)]);
});
