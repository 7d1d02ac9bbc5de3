// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { type ConnectionOptions, connect as connectTls, type SecureContextOptions } from "node:tls";
import { type Clock, systemClock } from "../../../src/clock/clock.ts";
import { defaultServerLimits, defaultServerTimeouts } from "../../../src/http_server/config.ts";
import { Rejections } from "../../../src/http_server/rejections.ts";
import {
  answerText,
  HttpServer,
  type Route,
  type ServerLimits,
  type ServerTimeouts,
} from "../../../src/http_server/server.ts";
import type { ListenAddress } from "../../../src/options/values.ts";
import { type CountingMeter, countingMeter } from "./counters.ts";
import { type LogLine, recordedLogger } from "./logs.ts";

export interface ListenerOptions {
  readonly address?: ListenAddress;
  readonly limits?: Partial<ServerLimits>;
  readonly timeouts?: Partial<ServerTimeouts>;
  readonly clock?: Clock;
  readonly tls?: SecureContextOptions;
  /** Further routes by their paths; `/` answers "hello". */
  readonly routes?: Readonly<Record<string, Route>>;
}

export interface Listener {
  readonly server: HttpServer;
  readonly lines: readonly LogLine[];
  /** Returns how many connections the listener has closed for this reason. */
  closed(reason: string): number;
  refused(reason: string): number;
  /** Opens a TCP connection from that loopback address (`127.0.0.1` if left out) and sends nothing, not even a handshake. */
  open(from?: string): Promise<Socket>;
  /** Sends the request on a new connection, with TLS where the listener has it, and returns all bytes until it closes. */
  send(request: string, from?: string): Promise<string>;
}

/** Starts a listener on 127.0.0.1 that answers "hello" at `/`. It is closed after the test. */
export async function startListener(context: TestContext, options: ListenerOptions = {}): Promise<Listener> {
  const { address = { host: "127.0.0.1", port: 0 }, clock = systemClock, tls, routes = {} } = options;
  const { logger, lines } = recordedLogger();
  const counting: CountingMeter = countingMeter();
  const server = new HttpServer({
    address,
    tls: tls === undefined ? undefined : { asksClients: false },
    route: (path) => (path === "/" ? hello : routes[path]),
    limits: { ...defaultServerLimits, ...options.limits },
    timeouts: { ...defaultServerTimeouts, ...options.timeouts },
    clock,
    rejections: new Rejections({ listener: "here", logger, clock, meter: counting.meter }),
    onError: (error) => logger.error({ error }, "Trouble."),
  });
  if (tls !== undefined) server.secure(tls);
  await server.listen();
  context.after(() => server.close(AbortSignal.abort()));
  const [bound] = server.addresses;
  assert.ok(bound !== undefined);
  const whereFrom = (from?: string): ConnectionOptions =>
    "path" in bound
      ? { path: bound.path }
      : { port: bound.port, host: "127.0.0.1", ...(from === undefined ? {} : { localAddress: from }) };
  return {
    server,
    lines,
    closed: (reason) => counting.sum("kata_collector_listener_closed_connections", { reason }),
    refused: (reason) => counting.sum("kata_collector_listener_refused_requests", { reason }),
    async open(from) {
      const socket = connect(whereFrom(from) as Parameters<typeof connect>[0]);
      socket.on("error", () => {});
      context.after(() => socket.destroy());
      await once(socket, "connect");
      return socket;
    },
    async send(request, from) {
      const where = whereFrom(from);
      const socket =
        tls === undefined
          ? connect(where as Parameters<typeof connect>[0])
          : connectTls({ ...where, rejectUnauthorized: false });
      const chunks: Buffer[] = [];
      socket.on("data", (chunk) => chunks.push(chunk));
      socket.on("error", () => {});
      socket.write(request);
      await new Promise((resolve) => socket.once("close", resolve));
      return Buffer.concat(chunks).toString();
    },
  };
}

/** Makes a request after which the connection closes. */
export function get(target: string, more = ""): string {
  return `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${more}\r\n`;
}

const hello: Route = async (_request, response) => answerText(response, 200, "hello");
