// SPDX-License-Identifier: Apache-2.0
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";

/** The interval of the timer that drives a crowd. */
const TICK_MS = 10;

export interface CrowdTarget {
  readonly port: number;
  /** The loopback address from which the crowd connects. */
  readonly from: string;
}

/** Clients that take as much as they can from a listener, until `stop`. */
export interface Crowd {
  /** Connections that it has opened, or requests that it has sent. */
  readonly count: number;
  stop(): void;
}

/** Opens `perSecond` connections in each second, sends `first` on each, and never closes one. */
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

/** Opens `perSecond` connections in each second, and sends one byte of `bytes` on every connection whenever it opens one. */
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

/** Opens `perSecond` connections in each second, sends a request on each, and reads nothing of the answer. */
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

/** Begins `perSecond` TLS handshakes in each second, and closes each connection after its handshake. */
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

/**
 * Sends `perSecond` requests in each second over `connections` connections, without waiting for answers. A connection that
 * was closed is replaced.
 */
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

/** Sends `perSecond` requests in each second, each on a new connection. */
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

/** Makes the first bytes of a TLS handshake. */
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
