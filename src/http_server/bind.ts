// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { chmod, lstat } from "node:fs/promises";
import { createServer, type ListenOptions, type Server } from "node:net";
import { dirname } from "node:path";
import type { ListenAddress } from "../options/values.ts";
import { removeDeadSocket } from "../sockets/dead_socket.ts";

/** Makes the server listen at one address. Rejects with the system's error. */
export type Open = (server: Server, where: ListenOptions) => Promise<void>;

/** The addresses and servers of a listener, which listens at every address of its host. */
export interface Binding {
  /** The addresses at which the listener is open. Port 0 is replaced by the port that the system chose. */
  readonly addresses: readonly ListenAddress[];
  /** The servers of all addresses but the first; they forward their connections to the first server. */
  readonly others: readonly Server[];
}

/** The system's error codes for an address that the machine does not have, such as one of IPv6. */
const ABSENT: readonly string[] = ["EADDRNOTAVAIL", "EAFNOSUPPORT"];
/** The addresses of "localhost", whatever a hosts file says: clients may use either. */
const LOOPBACKS: readonly string[] = ["127.0.0.1", "::1"];
/**
 * How often port 0 is tried where a listener has two addresses. The system chooses a port that is free at the first
 * address, but another program may use that port at the second one.
 */
const FREE_PORT_ATTEMPTS = 8;
const SOCKET_MODE = 0o660;

/**
 * Lets the server listen.
 *
 * - "localhost" means 127.0.0.1 and ::1, or the one of them that the machine has.
 * - "::" means all addresses, or those of IPv4 alone where the machine has no IPv6.
 * - A unix socket gets mode 0660, whatever the umask. A socket file of a process that died is removed first.
 *
 * Rejects with the system's error; then nothing listens.
 */
export async function bind(
  server: Server,
  address: ListenAddress,
  open: Open = openServer,
): Promise<Binding> {
  if ("path" in address) {
    await removeDeadSocket(address.path);
    await open(server, address).catch(async (error: unknown) => {
      throw await clearer(error, address.path);
    });
    await chmod(address.path, SOCKET_MODE).catch((error: unknown) => {
      server.close();
      throw error;
    });
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
      const next = addresses.length === 0 ? server : forwardingTo(server);
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

/** "::" includes IPv4. On a machine without IPv6 it therefore means IPv4 alone. */
async function openOrIpv4(server: Server, where: { host: string; port: number }, open: Open): Promise<void> {
  try {
    await open(server, where);
  } catch (error) {
    if (where.host !== "::" || !isAbsent(error)) throw error;
    await open(server, { ...where, host: "0.0.0.0" });
  }
}

/** Makes a server that forwards its connections to another one. */
function forwardingTo(server: Server): Server {
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

/**
 * Replaces an error whose code misleads: libuv reports EACCES for a missing directory, and the system EADDRINUSE for a
 * file that is no socket.
 */
async function clearer(error: unknown, path: string): Promise<unknown> {
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
