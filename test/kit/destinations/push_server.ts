// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Closing } from "../closing.ts";

export interface PostedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Answers one request, which has been read. A promise that it returns and that rejects cuts the connection. */
export type HttpAnswer = (
  request: IncomingMessage,
  response: ServerResponse,
  posted: PostedRequest,
) => unknown;

export interface PushServer {
  /** `http://127.0.0.1:port`, or the unix socket's. */
  readonly url: string;
  /** In the order of arrival, answered or not. */
  readonly requests: PostedRequest[];
  /** The connections that are open. */
  readonly sockets: ReadonlySet<Socket>;
  /** How many connections there have been. */
  connections(): number;
}

export interface PushServerOptions {
  /** Called for the first request, the second …; the last one for all that follow. Default: 200 without a body. */
  readonly answers?: readonly HttpAnswer[];
  readonly tls?: ServerOptions;
  /** Path of a unix socket to listen on. */
  readonly socketPath?: string;
  /** False where `requests` must stay empty, since the server takes requests for hours. */
  readonly keeps?: boolean;
}

/** Makes an answer of a status, headers and a body. */
export function answering(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = "",
): (request: IncomingMessage, response: ServerResponse) => void {
  return (_request, response) => response.writeHead(status, headers).end(body);
}

/** Starts a real HTTP server that keeps what is posted to it, and that ends with the test. */
export async function startPushServer(
  context: Closing,
  options: PushServerOptions = {},
): Promise<PushServer> {
  const { answers = [answering(200)], tls, socketPath, keeps = true } = options;
  const requests: PostedRequest[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let count = 0;
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = Buffer.concat(await request.toArray());
    const answer = answers[Math.min(count++, answers.length - 1)];
    const { method = "", url: path = "", headers } = request;
    const posted = { method, path, headers, body };
    if (keeps) requests.push(posted);
    await answer?.(request, response, posted);
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    // A client that goes away in the middle has posted nothing.
    take(request, response).catch(() => response.destroy());
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
