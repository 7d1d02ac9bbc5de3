// SPDX-License-Identifier: Apache-2.0
import { OfferList, type Offers } from "../component/offers.ts";
import type { Single } from "../component/single.ts";

/** The headers of a request by their names in lower case. */
export type RequestHeaders = Readonly<Record<string, string>>;

/** The protocol of a request: HTTP/1.1, or a gRPC call, whose metadata are its headers. */
export type RequestKind = "http" | "grpc";

/** A request before it is sent. */
export interface UnsentRequest {
  readonly method: string;
  /** The whole URL: scheme, host, path and query. */
  readonly url: string;
  readonly headers: RequestHeaders;
  readonly body: Uint8Array;
}

/**
 * Adds credentials to requests. An extension offers it to the exporters whose `auth::authenticator` names the
 * extension.
 */
export interface ClientAuthenticator {
  /**
   * Returns why the authenticator cannot serve requests of this kind, and what the user can do; undefined if it can
   * serve them.
   */
  refusal(kind: RequestKind): string | undefined;
  /**
   * Returns the headers to send: the headers of the request and the credentials, all printable ASCII. It is called for
   * each attempt. Rejects if there are no credentials now; the message is for the user and must contain no secret.
   */
  authenticate(request: UnsentRequest): Promise<RequestHeaders>;
  /**
   * Is called when a peer has refused these headers (401 or UNAUTHENTICATED). Resolves to true if the next call of
   * `authenticate` will return other headers, so that another attempt makes sense. Never rejects.
   */
  renew(refused: RequestHeaders): Promise<boolean>;
}

/** A request that a listener has received. */
export interface ReceivedRequest {
  /**
   * The headers by their names in lower case. A header that came twice is as Node gives it: joined, its first value,
   * or a list.
   */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /**
   * The client, as `clientOf` names it (`http_server/client_address.ts`). Clients behind one address have the same
   * name, and so have all clients of unix sockets.
   */
  readonly peer: string;
}

/**
 * The result of a check: the credentials are good; they are wrong or missing; or they were not checked because too many
 * others are being checked.
 */
export type Verdict = "accepted" | "refused" | "busy";

/**
 * Checks the credentials of requests. An extension offers it to the listeners whose `auth::authenticator` names the
 * extension.
 */
export interface ServerAuthenticator {
  /** The value of WWW-Authenticate, which tells clients what credentials are needed. */
  readonly challenge: string;
  /**
   * Checks the request. Never rejects. Must take as long for an unknown user name as for a known one, so that the time
   * does not tell which names exist.
   */
  check(request: ReceivedRequest): Promise<Verdict>;
}

/** The key of the agent's list of authenticators for outgoing requests. The list has them by their extensions' ids. */
export const CLIENT_AUTHENTICATORS: Single<Offers<ClientAuthenticator>> = {
  make: () => new OfferList(),
};

/** The key of the agent's list of authenticators for incoming requests. The list has them by their extensions' ids. */
export const SERVER_AUTHENTICATORS: Single<Offers<ServerAuthenticator>> = {
  make: () => new OfferList(),
};
