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
import type { TestContext } from "node:test";

/** Answers one call, whose message has been read. */
export type WireAnswer = (stream: ServerHttp2Stream, session: Http2Session) => void;

export interface WireCall {
  readonly headers: IncomingHttpHeaders;
  /** With its prefix of five bytes. */
  readonly frame: Buffer;
}

export interface GrpcWireServer {
  readonly port: number;
  readonly calls: readonly WireCall[];
  connections(): number;
  /** Ends all connections, with GOAWAY. */
  goAway(): void;
  pings(): number;
}

const EMPTY_MESSAGE = Buffer.alloc(5);

/** Answers with a status, and an empty message where that is 0. */
export function status(code: number, headers: Readonly<Record<string, string>> = {}): WireAnswer {
  return (stream) => {
    const head = { ":status": 200, "content-type": "application/grpc", ...headers };
    if (code !== 0) return stream.respond({ ...head, "grpc-status": String(code) }, { endStream: true });
    stream.respond(head, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(EMPTY_MESSAGE);
  };
}

/** Resets the stream with a code of HTTP/2. */
export function reset(code: number): WireAnswer {
  return (stream) => stream.close(code);
}

/** Answers as something that is no gRPC server. */
export function page(httpStatus: number): WireAnswer {
  return (stream) => {
    stream.respond({ ":status": httpStatus, "content-type": "text/html" });
    stream.end("<html></html>");
  };
}

/** An HTTP/2 server that shows what is on the wire and answers as it is told, frame by frame; it ends with the test. */
export async function startGrpcWireServer(
  context: TestContext,
  {
    answers = [status(constants.NGHTTP2_NO_ERROR)],
    host = "127.0.0.1",
    port = 0,
    settings = {},
  }: {
    /** For the first call, the second …; the last one for all that follow. */
    readonly answers?: readonly WireAnswer[];
    readonly host?: string;
    readonly port?: number;
    /** With which the server greets. */
    readonly settings?: Settings;
  } = {},
): Promise<GrpcWireServer> {
  const calls: WireCall[] = [];
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
    const answer = answers[Math.min(calls.length, answers.length - 1)];
    calls.push({ headers, frame });
    if (stream.session !== undefined) answer?.(stream, stream.session);
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
