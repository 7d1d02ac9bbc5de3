// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { AddressInfo, Socket } from "node:net";

/** Answers one request, whose body has been read. */
export type HttpAnswer = (request: IncomingMessage, response: ServerResponse) => void;

export interface PostedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface PushServer {
  /** `http://127.0.0.1:port`, or the unix socket's. */
  readonly url: string;
  /** In the order of arrival, answered or not. */
  readonly requests: PostedRequest[];
  /** Those that are open, and how many there have been. */
  readonly sockets: ReadonlySet<Socket>;
  connections(): number;
}

export interface PushServerOptions {
  /** Called for the first request, the second …; the last one for all that follow. Default: 200 without a body. */
  readonly answers?: readonly HttpAnswer[];
  readonly tls?: ServerOptions;
  /** Path of a unix socket to listen on. */
  readonly socketPath?: string;
}

/** Ends what was started, at its own end: a `TestContext`, for one. */
export interface Closing {
  after(close: () => void): void;
}

/** Answers with a status, headers and a text. */
export function answering(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = "",
): HttpAnswer {
  return (_request, response) => response.writeHead(status, headers).end(body);
}

/** A real HTTP server that keeps what is posted to it; it ends with the test. */
export async function startPushServer(
  context: Closing,
  options: PushServerOptions = {},
): Promise<PushServer> {
  const { answers = [answering(200)], tls, socketPath } = options;
  const requests: PostedRequest[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = Buffer.concat(await request.toArray());
    const answer = answers[Math.min(requests.length, answers.length - 1)];
    const { method = "", url: path = "", headers } = request;
    requests.push({ method, path, headers, body });
    answer?.(request, response);
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    // A client that goes away in the middle has posted nothing.
    take(request, response).catch(() => {});
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  server.on("connection", (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  if (socketPath === undefined) server.listen(0, "127.0.0.1");
  else server.listen(socketPath);
  await once(server, "listening");
  const port = (): number => (server.address() as AddressInfo).port;
  const url = tls === undefined ? "http" : "https";
  return {
    url: socketPath === undefined ? `${url}://127.0.0.1:${port()}` : `unix://${socketPath}`,
    requests,
    sockets,
    connections: () => connections,
  };
}
