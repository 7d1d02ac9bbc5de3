import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo, Server } from "node:net";

/** The ports of what `push.ts` pushes to, in a process of its own, so that its CPU is not counted. */
export interface SinkPorts {
  readonly http: number;
  readonly grpc: number;
}

/** The answer to any message: bytes of all bodies since the last one. */
export interface SinkBytes {
  readonly bytes: number;
}

let bytes = 0;

const http = createServer((request, response) => {
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on("end", () => response.end());
});

const grpc = createHttp2Server();
grpc.on("stream", (stream) => {
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  stream.on("end", () => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    // An empty message: a flag and a length.
    stream.end(Buffer.alloc(5));
  });
});

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

process.on("message", () => {
  const answer: SinkBytes = { bytes };
  bytes = 0;
  process.send?.(answer);
});
process.on("disconnect", () => process.exit());
const ports: SinkPorts = { http: await listen(http), grpc: await listen(grpc) };
process.send?.(ports);
