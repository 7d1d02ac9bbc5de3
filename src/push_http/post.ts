// SPDX-License-Identifier: Apache-2.0
import { type Agent, type OutgoingHttpHeaders, request } from "node:http";
import { request as tlsRequest } from "node:https";
import { describeStatus, type PushAnswer, readAnswer } from "./answer.ts";
import type { HttpRoute, RoutedOptions } from "./route.ts";

export interface PostOptions {
  readonly agent: Agent;
  /** Those of the route come beside them. */
  readonly headers: OutgoingHttpHeaders;
  readonly signal: AbortSignal;
}

/** How an attempt ended that brought no answer. */
export interface NoAnswer {
  readonly error: Error;
  /** Whether the connection had been used before, and was closed under the request. */
  readonly isStale: boolean;
}

/** How a connection ends that its server closed while a request was on its way. */
const CLOSED_CODES: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE"]);

/** One request over the route, and its answer. Never rejects; resolves soon after the signal aborts. */
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
    // Without a listener Node closes the connection and says nothing.
    outgoing.on("upgrade", ({ statusCode = 0 }, socket) => {
      socket.destroy();
      const words = describeStatus(statusCode, "nobody asked for another protocol");
      resolve({ error: Object.assign(new Error(words), { code: String(statusCode) }), isStale: false });
    });
    outgoing.end(body);
  });
}
