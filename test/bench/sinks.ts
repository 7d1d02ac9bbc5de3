// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo, Server } from "node:net";

/** Where requests are taken, in a process of its own, so that its CPU is not counted. */
export interface SinkPorts {
  readonly http: number;
  readonly grpc: number;
}

export interface SinkEvents {
  /** A request over HTTP has come whole; all of them are answered with 200. */
  onHttp(request: IncomingMessage, body: Buffer): void;
  /** A gRPC message has come whole, with its head. */
  onGrpc(message: Buffer): void;
}

/** A gRPC message's flag (compressed or not) and length. */
export const GRPC_HEAD_BYTES = 5;

/** Takes whatever is pushed, over HTTP and gRPC, and tells the parent process where; ends with it. */
export async function startSinks({ onHttp, onGrpc }: SinkEvents): Promise<void> {
  const http = createServer(async (request, response) => {
    onHttp(request, Buffer.concat(await request.toArray()));
    response.end();
  });
  const grpc = createHttp2Server();
  grpc.on("stream", (stream) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      onGrpc(Buffer.concat(chunks));
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      // An empty message.
      stream.end(Buffer.alloc(GRPC_HEAD_BYTES));
    });
  });
  process.on("disconnect", () => process.exit());
  const ports: SinkPorts = { http: await listen(http), grpc: await listen(grpc) };
  process.send?.(ports);
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
