// SPDX-License-Identifier: Apache-2.0
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";

/** How often a crowd acts. */
const TICK_MS = 10;

export interface CrowdTarget {
  readonly port: number;
  /** The loopback address that the crowd comes from. */
  readonly from: string;
}

/** Somebody who takes what they can get of a listener, until they are told to stop. */
export interface Crowd {
  /** Connections that it has opened, or requests that it has sent. */
  readonly count: number;
  stop(): void;
}

/** Opens so many connections in a second, says `first` on each, and never closes one. */
export function crowdOfConnections(target: CrowdTarget, perSecond: number, first: string | Buffer): Crowd {
  const sockets = new Set<Socket>();
  return repeat(
    perSecond,
    () => {
      const socket = open(target, sockets);
      if (first.length > 0) socket.write(first);
    },
    sockets,
  );
}

/** Opens so many connections in a second, and says on each the bytes one by one, a turn after the other. */
export function dripping(target: CrowdTarget, perSecond: number, bytes: Buffer): Crowd {
  const sockets = new Set<Socket>();
  const said = new WeakMap<Socket, number>();
  return repeat(
    perSecond,
    () => {
      open(target, sockets);
      for (const socket of sockets) {
        const at = said.get(socket) ?? 0;
        said.set(socket, at + 1);
        socket.write(bytes.subarray(at, at + 1));
      }
    },
    sockets,
  );
}

/** Opens so many connections in a second, asks for something on each, and takes none of the answer. */
export function slowReaders(target: CrowdTarget, perSecond: number, request: string): Crowd {
  const sockets = new Set<Socket>();
  return repeat(
    perSecond,
    () => {
      open(target, sockets).pause().write(request);
    },
    sockets,
  );
}

/** Begins so many handshakes in a second, and leaves when they are done. */
export function handshakes(target: CrowdTarget, perSecond: number): Crowd {
  const sockets = new Set<Socket>();
  return repeat(
    perSecond,
    () => {
      const socket = connectTls({ socket: open(target, sockets), rejectUnauthorized: false });
      socket.on("error", () => {});
      socket.once("secureConnect", () => socket.destroy());
    },
    sockets,
  );
}

/** Sends so many requests in a second on so many connections, whatever is answered, and opens again those that are closed. */
export function floodOnConnections(
  target: CrowdTarget,
  { perSecond, connections, request }: { perSecond: number; connections: number; request: string },
): Crowd {
  const sockets = new Set<Socket>();
  return repeat(
    perSecond,
    (turn) => {
      while (sockets.size < connections) open(target, sockets);
      [...sockets][turn % connections]?.write(request);
    },
    sockets,
  );
}

/** Sends so many requests in a second, each on a connection of its own. */
export function floodOfConnections(target: CrowdTarget, perSecond: number, request: string): Crowd {
  const sockets = new Set<Socket>();
  return repeat(
    perSecond,
    () => {
      open(target, sockets).end(request);
    },
    sockets,
  );
}

function open({ port, from }: CrowdTarget, sockets: Set<Socket>): Socket {
  const socket = connect({ host: "127.0.0.1", port, localAddress: from });
  sockets.add(socket);
  socket.on("error", () => {});
  socket.on("close", () => sockets.delete(socket));
  return socket.resume();
}

function repeat(perSecond: number, act: (turn: number) => void, sockets: ReadonlySet<Socket>): Crowd {
  let count = 0;
  let due = 0;
  const timer = setInterval(() => {
    due += (perSecond * TICK_MS) / 1_000;
    for (; due >= 1; due--) act(count++);
  }, TICK_MS);
  return {
    get count() {
      return count;
    },
    stop() {
      clearInterval(timer);
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** The first bytes of a TLS handshake. */
export function clientHello(): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const wire = new Duplex({
    read: () => {},
    write(chunk, _encoding, done) {
      resolve(chunk);
      done();
    },
  });
  connectTls({ socket: wire });
  return promise;
}
