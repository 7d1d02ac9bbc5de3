// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { chmod, lstat, unlink } from "node:fs/promises";
import { connect, createServer, type ListenOptions, type Server } from "node:net";
import { dirname } from "node:path";
import type { ListenAddress } from "../options/values.ts";

/** Opens the server at one address; rejects with what the system says. */
export type Open = (server: Server, where: ListenOptions) => Promise<void>;

/** A server that listens at every address of its host. */
export interface Binding {
  /** The addresses that it really listens at; the port is the real one where it was 0. */
  readonly addresses: readonly ListenAddress[];
  /** Servers beside the first, which hand it their connections. */
  readonly others: readonly Server[];
}

/** What the system says of an address that the machine does not have: without IPv6, or without one of localhost's. */
const ABSENT: readonly string[] = ["EADDRNOTAVAIL", "EAFNOSUPPORT"];
/** What "localhost" means, whatever a hosts file says: clients take either. */
const LOOPBACKS: readonly string[] = ["127.0.0.1", "::1"];
/** Port 0 gives the first address a port that another program may have at the second. */
const FREE_PORT_ATTEMPTS = 8;
const SOCKET_MODE = 0o660;
const CONNECT_TIMEOUT_MS = 1_000;

/**
 * Lets the server listen: at both addresses of "localhost" that the machine has, at IPv4's where "::" is asked for and there is no IPv6, and at a
 * unix socket with mode 0660, whatever the umask. Rejects with what the system says, and nothing listens then.
 */
export async function bind(
  server: Server,
  address: ListenAddress,
  open: Open = openServer,
): Promise<Binding> {
  if ("path" in address) {
    await removeDeadSocket(address.path);
    await open(server, address).catch(async (error: unknown) => {
      throw await inWords(error, address.path);
    });
    await chmod(address.path, SOCKET_MODE);
    return { addresses: [address], others: [] };
  }
  const hosts = address.host === "localhost" ? LOOPBACKS : [address.host];
  for (let attempt = 1; ; attempt++) {
    try {
      return await bindHosts(server, { hosts, port: address.port }, open);
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
      if (!isTaken || address.port !== 0 || attempt === FREE_PORT_ATTEMPTS) throw error;
    }
  }
}

async function bindHosts(
  server: Server,
  { hosts, port }: { readonly hosts: readonly string[]; readonly port: number },
  open: Open,
): Promise<Binding> {
  const others: Server[] = [];
  const addresses: ListenAddress[] = [];
  let absent: unknown;
  try {
    for (const host of hosts) {
      const next = addresses.length === 0 ? server : handingTo(server);
      try {
        await openOrIpv4(next, { host, port: portOf(addresses[0]) ?? port }, open);
      } catch (error) {
        if (!isAbsent(error)) throw error;
        absent = error;
        continue;
      }
      if (next !== server) others.push(next);
      addresses.push(addressOf(next, { host, port }));
    }
    if (addresses.length === 0) throw absent;
    return { addresses, others };
  } catch (error) {
    for (const opened of addresses.length === 0 ? [] : [server, ...others]) opened.close();
    throw error;
  }
}

/** "::" takes IPv4 too; where there is no IPv6, that alone is meant. */
async function openOrIpv4(server: Server, where: { host: string; port: number }, open: Open): Promise<void> {
  try {
    await open(server, where);
  } catch (error) {
    if (where.host !== "::" || !isAbsent(error)) throw error;
    await open(server, { ...where, host: "0.0.0.0" });
  }
}

/** A server whose connections become the other one's. */
function handingTo(server: Server): Server {
  return createServer({ noDelay: true, allowHalfOpen: true }, (socket) => server.emit("connection", socket));
}

async function openServer(server: Server, where: ListenOptions): Promise<void> {
  server.listen(where);
  await once(server, "listening");
}

function isAbsent(error: unknown): boolean {
  return ABSENT.includes((error as NodeJS.ErrnoException).code ?? "");
}

function addressOf(server: Server, asked: ListenAddress): ListenAddress {
  const bound = server.address();
  if (bound === null || typeof bound === "string") return asked;
  return { host: bound.address, port: bound.port };
}

function portOf(address: ListenAddress | undefined): number | undefined {
  return address !== undefined && "port" in address ? address.port : undefined;
}

/** A socket file on which nobody answers was left by a process that died; one that answers is left alone. */
async function removeDeadSocket(path: string): Promise<void> {
  // A file that is no socket refuses connections too.
  const isSocket = await lstat(path).then(
    (found) => found.isSocket(),
    () => false,
  );
  if (!isSocket) return;
  const socket = connect(path);
  const timeout = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
  const isDead = await once(socket, "connect", { signal: timeout }).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === "ECONNREFUSED",
  );
  socket.destroy();
  if (isDead) await unlink(path);
}

/**
 * Why there is no socket at the path, where the system's word misleads: of a missing directory it is EACCES (by libuv), of
 * a file that is no socket EADDRINUSE.
 */
async function inWords(error: unknown, path: string): Promise<unknown> {
  const { code } = error as NodeJS.ErrnoException;
  const directory = dirname(path);
  const found = await lstat(code === "EADDRINUSE" ? path : directory).catch(() => undefined);
  if (code === "EADDRINUSE" && found?.isSocket() === false)
    return new Error("there is something else than a socket; remove it, or name another path", {
      cause: error,
    });
  if (code === "EACCES" && found === undefined)
    return new Error(`there is no directory "${directory}"; make it, or name another path`, { cause: error });
  return error;
}
