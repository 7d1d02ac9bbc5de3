// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import { SERVER_AUTHENTICATORS, type ServerAuthenticator } from "../auth/authenticator.ts";
import type { Host } from "../component/host.ts";
import { clientOf } from "./client_address.ts";
import type { Refusal } from "./request_rules.ts";

/**
 * Checks the credentials of a request. Resolves to the refusal to send, or to undefined where the credentials are good.
 * Never rejects.
 */
export type Authentication = (request: IncomingMessage) => Promise<Refusal | undefined>;

/**
 * Checks requests with the authenticator of the extension `id`, which is looked up at each request, so while the
 * extension does not run, every request gets 503.
 */
export function authenticationBy(host: Host, id: string): Authentication {
  return async (request) => {
    const authenticator = host.single(SERVER_AUTHENTICATORS).get(id);
    if (authenticator === undefined)
      return { status: 503, text: `authenticator "${id}" does not run now`, headers: { "Retry-After": "1" } };
    return await refusalBy(authenticator, request);
  };
}

async function refusalBy(
  authenticator: ServerAuthenticator,
  { headers, socket }: IncomingMessage,
): Promise<Refusal | undefined> {
  const verdict = await authenticator.check({ headers, peer: clientOf(socket.remoteAddress) });
  switch (verdict) {
    case "accepted":
      return undefined;
    case "refused":
      return {
        status: 401,
        text: "who is asking? the credentials are missing or wrong",
        headers: { "WWW-Authenticate": authenticator.challenge },
      };
    case "busy":
      return {
        status: 429,
        text: "too many passwords are being checked",
        headers: { "Retry-After": "1" },
      };
  }
}
