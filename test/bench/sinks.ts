// SPDX-License-Identifier: Apache-2.0
import { closer } from "../kit/closing.ts";
import { startGrpcWireServer, status } from "../kit/destinations/grpc_wire_server.ts";
import { type PostedRequest, startPushServer } from "../kit/destinations/push_server.ts";

/** The ports of a sink, which is a process of its own, so that its CPU is not counted. */
export interface SinkPorts {
  readonly http: number;
  readonly grpc: number;
}

export interface SinkEvents {
  /** Called for each complete request over HTTP. All of them are answered with 200. */
  onHttp(posted: PostedRequest): void;
  /** Called for each complete gRPC message, with its head. All of them are answered with OK. */
  onGrpc(message: Buffer): void;
}

/** The size of a gRPC message's head: a flag (compressed or not) and the length. */
export const GRPC_HEAD_BYTES = 5;

/** Accepts all requests over HTTP and gRPC, sends the ports to the parent process, and ends with it. */
export async function startSinks({ onHttp, onGrpc }: SinkEvents): Promise<void> {
  const closing = closer();
  const http = await startPushServer(closing, {
    keeps: false,
    answers: [
      (_request, response, posted) => {
        onHttp(posted);
        response.end();
      },
    ],
  });
  const ok = status(0);
  const grpc = await startGrpcWireServer(closing, {
    keeps: false,
    answers: [
      (stream, session, call) => {
        onGrpc(call.frame);
        ok(stream, session);
      },
    ],
  });
  process.on("disconnect", () => process.exit());
  const ports: SinkPorts = { http: Number(new URL(http.url).port), grpc: grpc.port };
  process.send?.(ports);
}
