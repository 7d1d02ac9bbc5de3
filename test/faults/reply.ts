// SPDX-License-Identifier: Apache-2.0
/** What a destination has to say to a request that it does not take, in the words of both protocols. */
export interface Refusal {
  /** The status of HTTP. */
  readonly http: number;
  /** The status of gRPC. */
  readonly grpc: number;
  readonly words: string;
  /** Further headers of HTTP. */
  readonly headers?: Readonly<Record<string, string>>;
  /** When to come back: `Retry-After`, in whole seconds, or a RetryInfo. */
  readonly comeBackMs?: number;
}

/** What a destination does about a request. */
export type Reply =
  | { readonly kind: "taken"; readonly afterMs: number }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  /** Nobody hears of it. */
  | { readonly kind: "silence" };

/** Decides about a request, whose bytes are the message's, uncompressed. */
export type Decide = (message: Uint8Array) => Reply;

/** A server that replies in its protocol's words. */
export interface Destination {
  /** `127.0.0.1:port` */
  readonly address: string;
  close(): void;
}
