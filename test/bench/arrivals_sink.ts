import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { type Arrival, type Arrived, summarize } from "./arrivals.ts";

/** The ports of a receiver of remote write and OTLP, in a process of its own, so that its CPU is not counted. */
export interface ArrivalsPorts {
  readonly http: number;
  readonly grpc: number;
}

/** `begin` forgets what came, `end` is answered with the `Arrived` since. */
export type ArrivalsOrder = "begin" | "end";

/** A gRPC message's flag (compressed or not) and length. */
const GRPC_HEAD_BYTES = 5;

let arrivals: Arrival[] = [];

const http = createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray());
  const protocol = request.url === "/v1/metrics" ? "otlp" : "remote_write";
  const isCompressed = request.headers["content-encoding"] !== undefined;
  arrivals.push({ protocol, isCompressed, body, atMs: now() });
  if (protocol === "otlp") response.writeHead(200, { "Content-Type": "application/x-protobuf" }).end();
  else response.writeHead(204).end();
});

const grpc = createHttp2Server();
grpc.on("stream", (stream) => {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("end", () => {
    const message = Buffer.concat(chunks);
    const body = message.subarray(GRPC_HEAD_BYTES);
    arrivals.push({ protocol: "otlp", isCompressed: message[0] === 1, body, atMs: now() });
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(Buffer.alloc(GRPC_HEAD_BYTES));
  });
});

/** Of the system's clock, which the samples' times are of, with its fractions. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

process.on("message", (order: ArrivalsOrder) => {
  const taken = arrivals;
  arrivals = [];
  if (order === "begin") return;
  const arrived: Arrived = summarize(taken);
  process.send?.(arrived);
});
process.on("disconnect", () => process.exit());
const ports: ArrivalsPorts = { http: await listen(http), grpc: await listen(grpc) };
process.send?.(ports);
