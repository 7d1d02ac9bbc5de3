// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startListener } from "../../test/kit/component/listener.ts";
import { testFolder } from "../../test/kit/test_folder.ts";
import { type Binding, bind, type Open } from "./bind.ts";

const open: Open = async (server, where) => {
  server.listen(where);
  await once(server, "listening");
};

/** A system on which these hosts cannot be listened at, for such a reason. */
const without =
  (code: string, ...hosts: readonly string[]): Open =>
  async (server, where) => {
    if (hosts.includes(where.host ?? "")) throw Object.assign(new Error(`listen ${code}`), { code });
    await open(server, where);
  };

const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === "::1"),
);

interface Scene {
  readonly server: Server;
  bind(host: string, how?: Open): Promise<Binding>;
}

function scene(context: TestContext): Scene {
  const server = createHttpServer((_request, response) => response.end("hello"));
  return {
    server,
    async bind(host, how) {
      const binding = await bind(server, { host, port: 0 }, how);
      context.after(() => {
        for (const one of [server, ...binding.others]) one.close();
        server.closeAllConnections();
      });
      return binding;
    },
  };
}

function hostsIn({ addresses }: Binding): string[] {
  return addresses.map((address) => ("host" in address ? address.host : address.path));
}

test("localhost is every address that it has, at one port, and all are answered alike", async (context) => {
  if (!hasIpv6) return context.skip("needs IPv6");
  const binding = await scene(context).bind("localhost");
  assert.deepEqual(hostsIn(binding), ["127.0.0.1", "::1"]);
  const ports = binding.addresses.map((address) => ("port" in address ? address.port : 0));
  assert.equal(new Set(ports).size, 1);
  for (const host of ["127.0.0.1", "[::1]"]) {
    const response = await fetch(`http://${host}:${ports[0]}/`, { headers: { connection: "close" } });
    assert.equal(await response.text(), "hello", host);
  }
});

for (const code of ["EADDRNOTAVAIL", "EAFNOSUPPORT"]) {
  test(`${code} of IPv6 leaves IPv4: of localhost, and of all interfaces`, async (context) => {
    const noIpv6 = without(code, "::1", "::");
    assert.deepEqual(hostsIn(await scene(context).bind("localhost", noIpv6)), ["127.0.0.1"]);
    assert.deepEqual(hostsIn(await scene(context).bind("::", noIpv6)), ["0.0.0.0"]);
    await assert.rejects(scene(context).bind("::1", noIpv6), { code });
  });
}

test("on a machine without IPv4, localhost is ::1", async (context) => {
  if (!hasIpv6) return context.skip("needs IPv6");
  assert.deepEqual(hostsIn(await scene(context).bind("localhost", without("EADDRNOTAVAIL", "127.0.0.1"))), [
    "::1",
  ]);
});

test("another program at one of the addresses is an error, and nothing listens then", async (context) => {
  const { server, bind: bindHere } = scene(context);
  await assert.rejects(bindHere("localhost", without("EADDRINUSE", "::1")), { code: "EADDRINUSE" });
  assert.equal(server.listening, false);
});

test("port 0 is tried again where the second address has another program at it", async (context) => {
  if (!hasIpv6) return context.skip("needs IPv6");
  let refusals = 2;
  const taken: Open = async (server, where) => {
    if (where.host === "::1" && refusals-- > 0)
      throw Object.assign(new Error("listen EADDRINUSE"), { code: "EADDRINUSE" });
    await open(server, where);
  };
  assert.equal((await scene(context).bind("localhost", taken)).addresses.length, 2);
});

test("only the owner and the group may use a unix socket, whatever the umask", async (context) => {
  const server = createServer();
  context.after(() => server.close());
  for (const umask of [0o000, 0o077, 0o777]) {
    const path = join(testFolder(context), `socket-${umask}`);
    const before = process.umask(umask);
    try {
      await bind(server, { path });
    } finally {
      process.umask(before);
    }
    assert.equal(statSync(path).mode & 0o7777, 0o660);
    server.close();
    await once(server, "close");
  }
});

test("a unix socket whose mode cannot be set is not left open", async (context) => {
  const server = createHttpServer();
  const path = join(testFolder(context), "socket");
  // Somebody takes the file away before it gets its mode.
  const opened: Open = async (one, where) => {
    await open(one, where);
    renameSync(path, `${path}.away`);
  };
  await assert.rejects(bind(server, { path }, opened), { code: "ENOENT" });
  assert.equal(server.listening, false);
});

test("a unix socket that cannot be made says why", async (context) => {
  const folder = testFolder(context);
  const file = join(folder, "file");
  writeFileSync(file, "kept");
  const check = (path: string, want: RegExp) => assert.rejects(bind(createServer(), { path }), want);
  await check(join(folder, "missing/socket"), /there is no directory ".*missing"; make it/);
  await check(file, /something else than a socket; remove it/);
  await check(folder, /something else than a socket; remove it/);
  assert.equal(readFileSync(file, "utf8"), "kept");
  const path = join(folder, "socket");
  const other = createServer().listen(path);
  context.after(() => other.close());
  await once(other, "listening");
  await check(path, /EADDRINUSE/);
});

test("all addresses share the limit of connections, and a close closes all of them", async (context) => {
  if (!hasIpv6) return context.skip("needs IPv6");
  const { server, closed: closedFor } = await startListener(context, {
    address: { host: "localhost", port: 0 },
    limits: { connectionsMax: 2 },
  });
  const reach = async (index: number) => {
    const address = server.addresses[index];
    assert.ok(address !== undefined && "port" in address);
    const socket = connect(address);
    socket.on("error", () => {});
    await once(socket, "connect");
    return socket;
  };
  const first = await reach(0);
  const held = [await reach(1), await reach(0)];
  await once(first.resume(), "close");
  assert.equal(closedFor("evicted"), 1);
  const closed = held.map((socket) => once(socket.resume(), "close"));
  await server.close(AbortSignal.abort());
  await Promise.all(closed);
  for (const index of [0, 1]) await assert.rejects(reach(index), { code: "ECONNREFUSED" });
});
