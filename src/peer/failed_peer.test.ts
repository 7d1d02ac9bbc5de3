// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, createServer, type Server } from "node:net";
import { type TestContext, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { createTestAuthority } from "../../test/kit/certificates.ts";
import { hasProgram, peerIsThere } from "../../test/kit/peers.ts";
import { poll } from "../../test/kit/poll.ts";
import { systemClock } from "../clock/clock.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import { ClosedEarly, type PeerAddress } from "./dial.ts";
import { FailedPeer } from "./failed_peer.ts";

const GRPC = { protocol: "gRPC", isTls: false, hasCertificate: false } as const;
const ENDED = new ClosedEarly("ended");
const NEVER = new AbortController().signal;

async function listening(context: TestContext, server: Server): Promise<PeerAddress> {
  context.after(() => server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
}

async function finding(address: PeerAddress, approach = GRPC): Promise<string> {
  return await new FailedPeer(systemClock, approach).explain(ENDED, { address, signal: NEVER });
}

test("a server of HTTP/1, of HTTP/2, and one that hangs up are told apart", async (context) => {
  assert.match(
    await finding(await listening(context, createHttpServer())),
    /^; a server of HTTP\/1 listens there/,
  );
  assert.equal(await finding(await listening(context, createHttp2Server())), "");
  const closing = createServer((socket) => socket.on("error", () => {}).end());
  assert.match(await finding(await listening(context, closing)), /does not answer as a server of gRPC/);
});

test("a server of TLS is recognized, even one that does not answer a client in the clear", async (context) => {
  if (!peerIsThere(context, "openssl", hasProgram("openssl", "version"))) return;
  const authority = createTestAuthority();
  context.after(() => authority.remove());
  authority.issue("server", "DNS:otel.test");
  const key = readFileSync(authority.file("server.key"));
  const server = createTlsServer({ cert: readFileSync(authority.file("server.crt")), key });
  assert.match(await finding(await listening(context, server)), /^; the server there speaks TLS/);
});

test("an error that tells enough starts no probe, nor does one without an address", async () => {
  const peer = new FailedPeer(systemClock, GRPC);
  const refused = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  assert.equal(await peer.explain(refused, { address: undefined, signal: NEVER }), "; nobody listens there");
  assert.equal(await peer.explain(ENDED, { address: undefined, signal: NEVER }), "");
});

test("an address is probed once a minute, however often it fails", async (context) => {
  let connections = 0;
  const server = createHttpServer().on("connection", () => connections++);
  const address = await listening(context, server);
  const clock = new FakeClock();
  const peer = new FailedPeer(clock, GRPC);
  const failures = Array.from({ length: 5 }, () => peer.explain(ENDED, { address, signal: NEVER }));
  assert.equal(new Set(await Promise.all(failures)).size, 1);
  await clock.advance(59_000);
  await peer.explain(ENDED, { address, signal: NEVER });
  assert.equal(connections, 1);
  await clock.advance(1_000);
  await peer.explain(ENDED, { address, signal: NEVER });
  assert.equal(connections, 2);
});

test("a server that does not answer is given up after a while, and earlier when nobody waits any more", async (context) => {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    context.after(() => socket.destroy());
  });
  const address = await listening(context, server);
  const clock = new FakeClock();
  const peer = new FailedPeer(clock, GRPC);
  const patient = peer.explain(ENDED, { address, signal: NEVER });
  const impatient = new AbortController();
  const cut = peer.explain(ENDED, { address, signal: impatient.signal });
  impatient.abort();
  assert.equal(await cut, "");
  await poll("the look in the clear", () => connections === 1 || undefined);
  await clock.advance(2_000);
  await poll("the look in TLS", () => connections === 2 || undefined);
  await clock.advance(2_000);
  assert.match(await patient, /does not answer as a server of gRPC/);
});
