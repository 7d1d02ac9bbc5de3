// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type GrpcWireServer, startGrpcWireServer } from "../../test/kit/destinations/grpc_wire_server.ts";
import { poll } from "../../test/kit/poll.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import type { Http2Connection } from "./connection.ts";
import { GrpcConnector } from "./connector.ts";
import { GrpcPeers } from "./peers.ts";

/** Servers on one port of several addresses of the loopback network. */
async function startServers(
  context: TestContext,
  hosts: readonly string[],
): Promise<readonly GrpcWireServer[]> {
  const servers: GrpcWireServer[] = [];
  for (const host of hosts)
    servers.push(await startGrpcWireServer(context, { host, port: servers[0]?.port ?? 0 }));
  return servers;
}

interface Scene {
  readonly peers: GrpcPeers;
  readonly clock: FakeClock;
  lookups(): number;
}

function peersOf(
  context: TestContext,
  options: {
    readonly port: number;
    readonly balancer: "round_robin" | "pick_first";
    addresses(): readonly string[];
  },
): Scene {
  const clock = new FakeClock();
  let lookups = 0;
  const connector = new GrpcConnector({
    ...{
      host: "otel.test",
      tls: undefined,
      proxy: undefined,
      secureContext: undefined,
      keepalive: undefined,
      clock,
    },
  });
  const peers = new GrpcPeers({
    ...{ target: { host: "otel.test", port: options.port }, connector, isResolvedElsewhere: false, clock },
    balancer: options.balancer,
    async lookup() {
      lookups++;
      return options.addresses();
    },
  });
  context.after(() => peers.close());
  return { peers, clock, lookups: () => lookups };
}

async function callVia(connection: Http2Connection): Promise<void> {
  const headers = { ":method": "POST", ":path": "/a.B/C", ":scheme": "http", ":authority": "a" };
  await connection.exchange({ headers, body: [], signal: new AbortController().signal });
}

const HOSTS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];

test("round_robin calls each address in turn, pick_first the first that is there", async (context) => {
  const servers = await startServers(context, HOSTS.slice(1));
  const port = servers[0]?.port ?? 0;
  const turns = peersOf(context, { port, balancer: "round_robin", addresses: () => HOSTS });
  await callVia(await turns.peers.connection());
  await poll("both connections", () => servers.every((server) => server.connections() === 1) || undefined);
  for (let i = 0; i < 9; i++) await callVia(await turns.peers.connection());
  for (const { calls } of servers) assert.ok(calls.length >= 4, `${calls.length} calls`);

  const first = peersOf(context, { port, balancer: "pick_first", addresses: () => HOSTS });
  const before = servers[1]?.calls.length;
  for (let i = 0; i < 3; i++) await callVia(await first.peers.connection());
  assert.equal(servers[1]?.calls.length, before);
});

test("a name is looked up again when a connection has ended, and removed addresses are no longer used", async (context) => {
  const servers = await startServers(context, HOSTS.slice(0, 2));
  let addresses = ["127.0.0.1"];
  const scene = peersOf(context, {
    ...{ port: servers[0]?.port ?? 0, balancer: "round_robin" as const },
    addresses: () => addresses,
  });
  const connection = await scene.peers.connection();
  await callVia(connection);
  await callVia(await scene.peers.connection());
  assert.equal(scene.lookups(), 1);
  addresses = ["127.0.0.2"];
  servers[0]?.goAway();
  await poll("the end of the connection", () => !connection.isOpen || undefined);
  await callVia(await scene.peers.connection());
  assert.equal(scene.lookups(), 2);
  assert.deepEqual(
    servers.map(({ calls }) => calls.length),
    [2, 1],
  );
});

test("where no address answers, the error names each; a failed address waits while others work", async (context) => {
  const [server] = await startServers(context, ["127.0.0.3"]);
  const port = server?.port ?? 0;
  const nobody = peersOf(context, { port, balancer: "round_robin", addresses: () => HOSTS.slice(0, 2) });
  const error: unknown = await nobody.peers.connection().catch((cause: unknown) => cause);
  assert.ok(error instanceof Error);
  for (const host of HOSTS.slice(0, 2))
    assert.ok(error.message.includes(`connect to ${host}:${port}`), error.message);

  let addresses = HOSTS.slice(1);
  const some = peersOf(context, { port, balancer: "round_robin", addresses: () => addresses });
  await callVia(await some.peers.connection());
  addresses = HOSTS.slice(1);
  const late = await startServersLater(context, port);
  await callVia(await some.peers.connection());
  assert.equal(late.connections(), 0);
  await some.clock.advance(5_000);
  await callVia(await some.peers.connection());
  await poll("the other connection", () => late.connections() === 1 || undefined);
});

const startServersLater = (context: TestContext, port: number): Promise<GrpcWireServer> =>
  startGrpcWireServer(context, { host: "127.0.0.2", port });

test("many calls at once share the connection that is being opened", async (context) => {
  const [server] = await startServers(context, ["127.0.0.1"]);
  const scene = peersOf(context, {
    ...{ port: server?.port ?? 0, balancer: "round_robin" as const },
    addresses: () => ["127.0.0.1"],
  });
  const connections = await Promise.all(Array.from({ length: 10 }, () => scene.peers.connection()));
  assert.equal(new Set(connections).size, 1);
  assert.equal(scene.lookups(), 1);
  scene.peers.reset();
  await callVia(await scene.peers.connection());
  assert.equal(server?.connections(), 2);
});
