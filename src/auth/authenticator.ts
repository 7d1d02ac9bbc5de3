// SPDX-License-Identifier: Apache-2.0
import { OfferList, type Offers } from "../component/offers.ts";
import type { Single } from "../component/single.ts";

/** Names are in lower case. */
export type RequestHeaders = Readonly<Record<string, string>>;

/** How a request travels: as one of HTTP/1.1, or as a call of gRPC, whose metadata are its headers. */
export type RequestKind = "http" | "grpc";

/** A request that is about to go out. */
export interface UnsentRequest {
  readonly method: string;
  /** With scheme, host, path and query, as the peer is called. */
  readonly url: string;
  readonly headers: RequestHeaders;
  readonly body: Uint8Array;
}

/** Gives requests their credentials. Offered by extensions to exporters whose `auth::authenticator` names them. */
export interface ClientAuthenticator {
  /** Why requests of this kind cannot be served, with the way out; undefined where they can. */
  refusal(kind: RequestKind): string | undefined;
  /**
   * The headers to send: those of the request with the credentials among them, all printable ASCII. Called for each
   * attempt. Rejects where there are no credentials now, in words for the user that hold no secret.
   */
  authenticate(request: UnsentRequest): Promise<RequestHeaders>;
  /**
   * A peer has refused these headers: 401 or UNAUTHENTICATED. Resolves to whether the next ones will be others, so that
   * one more attempt makes sense. Never rejects.
   */
  renew(refused: RequestHeaders): Promise<boolean>;
}

/** A request that a listener got. */
export interface ReceivedRequest {
  /** By names in lower case; of those that came twice, lists, or what Node makes of them. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Where it came from; those who cannot be told apart have one text. */
  readonly peer: string;
}

/** What credentials are: good; bad or missing; or not looked at, since too many others are being looked at. */
export type Verdict = "accepted" | "refused" | "busy";

/** Asks requests who they are. Offered by extensions to listeners whose `auth::authenticator` names them. */
export interface ServerAuthenticator {
  /** What is asked for, as the value of WWW-Authenticate. */
  readonly challenge: string;
  /** Never rejects. Takes as long for a name that exists as for one that does not. */
  check(request: ReceivedRequest): Promise<Verdict>;
}

/** The authenticators of requests that go out, by their extensions' ids. */
export const CLIENT_AUTHENTICATORS: Single<Offers<ClientAuthenticator>> = {
  name: "client authenticators",
  make: () => new OfferList(),
};

/** The authenticators of requests that come in, likewise. */
export const SERVER_AUTHENTICATORS: Single<Offers<ServerAuthenticator>> = {
  name: "server authenticators",
  make: () => new OfferList(),
};
