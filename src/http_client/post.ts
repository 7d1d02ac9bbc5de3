// SPDX-License-Identifier: Apache-2.0
import { type Agent, type OutgoingHttpHeaders, request } from "node:http";
import { request as tlsRequest } from "node:https";
import { describeStatus, type PushAnswer, readAnswer } from "./answer.ts";
import type { HttpRoute, RoutedOptions } from "./route.ts";

/** How one request is sent. */
export interface PostOptions {
  readonly agent: Agent;
  /** Headers of the request. Those of `route.headers` are added. */
  readonly headers: OutgoingHttpHeaders;
  readonly signal: AbortSignal;
}

/** Why an attempt got no answer. */
export interface NoAnswer {
  readonly error: Error;
  /** Whether the server closed a connection that had been used before, while the request was being sent. */
  readonly isStale: boolean;
}

/** The error codes of a connection that its server closed while a request was being sent. */
const CLOSED_CODES: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE"]);

/** Sends one request over the route and reads the answer. Never rejects; resolves soon after the signal aborts. */
export function postOnce(
  route: HttpRoute,
  body: Uint8Array | string,
  { agent, headers, signal }: PostOptions,
): Promise<PushAnswer | NoAnswer> {
  const send = route.isTls ? tlsRequest : request;
  const length = { "content-length": Buffer.byteLength(body) };
  return new Promise((resolve) => {
    const options: RoutedOptions = {
      ...route.request,
      method: "POST",
      agent,
      signal,
      attempt: signal,
      headers: { ...route.headers, ...headers, ...length },
    };
    const outgoing = send(options);
    outgoing.on("response", (response) => {
      readAnswer(response).then(resolve, (error: Error) => resolve({ error, isStale: false }));
    });
    outgoing.on("error", (error: NodeJS.ErrnoException) =>
      resolve({ error, isStale: outgoing.reusedSocket && CLOSED_CODES.has(error.code ?? "") }),
    );
    // Without a listener for "upgrade" (status 101), Node would close the connection and report nothing.
    outgoing.on("upgrade", ({ statusCode = 0 }, socket) => {
      socket.destroy();
      const words = describeStatus(statusCode, "nobody asked for another protocol");
      resolve({ error: Object.assign(new Error(words), { code: String(statusCode) }), isStale: false });
    });
    outgoing.end(body);
  });
}
