// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Closing } from "../closing.ts";

/** A request as the proxy got it. */
export interface ProxiedRequest {
  /** The method and the target of the request's first line. */
  readonly asked: string;
  readonly headers: IncomingHttpHeaders;
}

export interface ForwardProxyServer {
  /** `127.0.0.1:port`. */
  readonly address: string;
  readonly requests: readonly ProxiedRequest[];
}

export interface ForwardProxyOptions {
  /** The port of 127.0.0.1 to which every tunnel and every request goes, whatever it asks for. */
  readonly port?: number;
  /** Refuses instead: with a status such as "403 Forbidden", by cutting the connection ("cut"), or by silence ("nothing"). */
  readonly refusal?: string;
  readonly tls?: ServerOptions;
}

/** Starts a real forward proxy (CONNECT, and requests with a whole URL) that knows one server only. It ends with the test. */
export async function startForwardProxy(
  context: Closing,
  options: ForwardProxyOptions,
): Promise<ForwardProxyServer> {
  const { port = 0, refusal, tls } = options;
  const requests: ProxiedRequest[] = [];
  const sockets = new Set<Duplex>();
  const note = ({ method = "", url = "", headers }: IncomingMessage): void => {
    requests.push({ asked: `${method} ${url}`, headers });
  };
  const server = tls === undefined ? createServer() : createTlsServer(tls);
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.on("connect", (asked: IncomingMessage, client: Duplex, head: Buffer) => {
    note(asked);
    if (refusal === "nothing") return;
    if (refusal === "cut") client.destroy();
    else if (refusal !== undefined) client.end(`HTTP/1.1 ${refusal}\r\ncontent-length: 0\r\n\r\n`);
    else join(client, head, port, sockets);
  });
  server.on("request", (asked, answer) => {
    note(asked);
    if (refusal !== undefined) {
      answer.writeHead(Number.parseInt(refusal, 10)).end();
      return;
    }
    const { method, headers, url = "" } = asked;
    const onward = request({ port, method, headers, path: new URL(url).pathname }, (answered) => {
      answer.writeHead(answered.statusCode ?? 500, answered.headers);
      answered.pipe(answer);
    });
    asked.pipe(onward);
  });
  context.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

function join(client: Duplex, head: Buffer, port: number, sockets: Set<Duplex>): void {
  const target = connect(port, "127.0.0.1", () => {
    client.write("HTTP/1.1 200 Connection established\r\n\r\n");
    target.write(head);
    target.pipe(client).pipe(target);
  });
  sockets.add(target);
  // Either end may close its connection at any time.
  target.on("error", () => client.destroy());
  client.on("error", () => target.destroy());
}
