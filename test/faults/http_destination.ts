// SPDX-License-Identifier: Apache-2.0
import type { ServerResponse } from "node:http";
import { gunzipSync } from "node:zlib";
import { type HttpAnswer, type PostedRequest, startPushServer } from "../kit/destinations/push_server.ts";
import type { DestinationOptions } from "./recorder.ts";
import type { Decide, Destination } from "./reply.ts";

/** A real server of HTTP, which takes whatever is posted to it. */
export async function startHttpDestination(options: DestinationOptions): Promise<Destination> {
  const { decide, tls } = options;
  const closes: (() => void)[] = [];
  const answer: HttpAnswer = (_request, response) => {
    // A server that keeps requests for its tests would keep those of hours here.
    const [posted] = server.requests.splice(0);
    if (posted !== undefined) respond(response, decide(messageOf(posted)));
  };
  const server = await startPushServer(
    { after: (close) => closes.push(close) },
    { answers: [answer], ...(tls === undefined ? {} : { tls: { ...tls, requestCert: true } }) },
  );
  return {
    address: new URL(server.url).host,
    close() {
      for (const close of closes) close();
    },
  };
}

function messageOf({ headers, body }: PostedRequest): Uint8Array {
  return headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
}

function respond(response: ServerResponse, reply: ReturnType<Decide>): void {
  switch (reply.kind) {
    case "silence":
      return;
    case "taken":
      setTimeout(() => response.writeHead(200).end(), reply.afterMs);
      return;
    case "refused": {
      const { http, words, headers, comeBackMs } = reply.refusal;
      const retryAfter =
        comeBackMs === undefined ? {} : { "retry-after": String(Math.ceil(comeBackMs / 1_000)) };
      response.writeHead(http, { "content-type": "text/plain", ...headers, ...retryAfter }).end(words);
    }
  }
}
