// SPDX-License-Identifier: Apache-2.0
import {
  type ClientHttp2Session,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import { ANSWER_BYTES_MAX } from "./message.ts";

/** One request, for a stream of its own. */
export interface ExchangeRequest {
  readonly headers: OutgoingHttpHeaders;
  readonly body: readonly Uint8Array[];
  readonly signal: AbortSignal;
}

/** Everything that came back on a stream until it was closed. */
export interface StreamOutcome {
  /** The headers of the answer; undefined if the stream was closed before they came. */
  readonly headers: IncomingHttpHeaders | undefined;
  readonly trailers: IncomingHttpHeaders;
  /** The body of the answer; empty if it was longer than `ANSWER_BYTES_MAX`. */
  readonly body: Buffer;
  /** The error code of HTTP/2 with which the stream was closed; 0 if it was closed without an error. */
  readonly resetCode: number;
  readonly error: Error | undefined;
}

/** Sends one request on its own stream and reads the answer. Never rejects; resolves soon after the signal aborts. */
export function exchange(session: ClientHttp2Session, request: ExchangeRequest): Promise<StreamOutcome> {
  const { signal } = request;
  return new Promise((resolve) => {
    let headers: IncomingHttpHeaders | undefined;
    let trailers: IncomingHttpHeaders = {};
    let error: Error | undefined;
    const chunks: Buffer[] = [];
    let bytes = 0;
    const stream = session.request(request.headers);
    const cancel = (): void => {
      stream.close(constants.NGHTTP2_CANCEL);
      // `close` alone would wait until the request is sent, which the peer's MAX_CONCURRENT_STREAMS may delay.
      stream.destroy();
    };
    stream.on("response", (got) => {
      headers = got;
    });
    stream.on("trailers", (got) => {
      trailers = got;
    });
    stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= ANSWER_BYTES_MAX) chunks.push(chunk);
      else chunks.length = 0;
    });
    stream.on("error", (cause: Error) => {
      error = cause;
    });
    stream.on("close", () => {
      signal.removeEventListener("abort", cancel);
      resolve({ headers, trailers, body: Buffer.concat(chunks), resetCode: stream.rstCode ?? 0, error });
    });
    signal.addEventListener("abort", cancel, { once: true });
    stream.cork();
    for (const part of request.body) stream.write(part);
    stream.end();
    stream.uncork();
    if (signal.aborted) cancel();
  });
}
