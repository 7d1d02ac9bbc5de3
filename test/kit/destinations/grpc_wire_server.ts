// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import {
  constants,
  createServer,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from "node:http2";
import type { AddressInfo } from "node:net";
import type { Closing } from "../closing.ts";

export interface WireCall {
  readonly headers: IncomingHttpHeaders;
  /** The message with the five bytes before it, which say whether it is compressed, and its length. */
  readonly frame: Buffer;
}

/** Answers one call, which has been read. */
export type WireAnswer = (stream: ServerHttp2Stream, session: Http2Session, call: WireCall) => void;

export interface GrpcWireServer {
  readonly port: number;
  readonly calls: readonly WireCall[];
  connections(): number;
  /** Ends all connections, with GOAWAY. */
  goAway(): void;
  pings(): number;
}

const EMPTY_MESSAGE = Buffer.alloc(5);

/** Makes an answer of a gRPC status, with an empty message where the status is 0. */
export function status(
  code: number,
  headers: Readonly<Record<string, string>> = {},
): (stream: ServerHttp2Stream, session: Http2Session) => void {
  return (stream) => {
    const head = { ":status": 200, "content-type": "application/grpc", ...headers };
    if (code !== 0) return stream.respond({ ...head, "grpc-status": String(code) }, { endStream: true });
    stream.respond(head, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(EMPTY_MESSAGE);
  };
}

/** Makes an answer that resets the stream with a code of HTTP/2. */
export function reset(code: number): WireAnswer {
  return (stream) => stream.close(code);
}

/** Makes the answer of something that is no gRPC server. */
export function page(httpStatus: number): WireAnswer {
  return (stream) => {
    stream.respond({ ":status": httpStatus, "content-type": "text/html" });
    stream.end("<html></html>");
  };
}

/**
 * Starts an HTTP/2 server that keeps every call with its headers and its frame, and whose answers decide each frame that
 * goes back. It ends with the test.
 */
export async function startGrpcWireServer(
  context: Closing,
  {
    answers = [status(constants.NGHTTP2_NO_ERROR)],
    host = "127.0.0.1",
    port = 0,
    settings = {},
    keeps = true,
  }: {
    /** For the first call, the second …; the last one for all that follow. */
    readonly answers?: readonly WireAnswer[];
    readonly host?: string;
    readonly port?: number;
    /** The settings of HTTP/2 that the server begins with. */
    readonly settings?: Settings;
    /** False where `calls` must stay empty, since the server takes calls for hours. */
    readonly keeps?: boolean;
  } = {},
): Promise<GrpcWireServer> {
  const calls: WireCall[] = [];
  let count = 0;
  const sessions = new Set<ServerHttp2Session>();
  let connections = 0;
  let pings = 0;
  const server = createServer({ settings });
  server.on("session", (session) => {
    connections++;
    sessions.add(session);
    session.on("ping", () => pings++);
    session.on("close", () => sessions.delete(session));
  });
  const take = async (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> => {
    const frame = Buffer.concat(await stream.toArray());
    const answer = answers[Math.min(count++, answers.length - 1)];
    const call = { headers, frame };
    if (keeps) calls.push(call);
    if (stream.session !== undefined) answer?.(stream, stream.session, call);
  };
  server.on("stream", (stream, headers) => {
    // A client that goes away in the middle has called nothing.
    stream.on("error", () => {});
    take(stream, headers).catch(() => {});
  });
  context.after(() => {
    server.close();
    for (const session of sessions) session.destroy();
  });
  server.listen(port, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    calls,
    connections: () => connections,
    pings: () => pings,
    goAway() {
      for (const session of sessions) session.close();
    },
  };
}
