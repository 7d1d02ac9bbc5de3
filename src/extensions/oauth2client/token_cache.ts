// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../clock/clock.ts";
import { messageOf } from "../../text/error_text.ts";

/** A token that an OAuth 2.0 server has granted. */
export interface Token {
  /** The value of the header `Authorization`. */
  readonly authorization: string;
  /** How long the token is valid, counted from the request for it; undefined if the server does not say. */
  readonly lifetimeMs: number | undefined;
}

/** The options of a `TokenCache`. */
export interface TokenCacheOptions {
  readonly clock: Clock;
  /** How long before its end a token is replaced; at most half of its lifetime. */
  readonly expiryBufferMs: number;
  /** Gets a new token from the server. Rejects with a message for the user if the server grants none. */
  fetchToken(): Promise<Token>;
  /** Is called after each fetch: with the message of its error, or with undefined if it succeeded. */
  onFetched(error: string | undefined): void;
}

interface CachedToken {
  readonly authorization: string;
  readonly fetchedMs: number;
  readonly renewAtMs: number;
  readonly endMs: number;
}

/**
 * After a failed request for a token, callers get the same error for this time, so that many requests do not overload a
 * failing server.
 */
const RETRY_MS = 1_000;
/**
 * A token that a receiver refuses is kept until it has this age: the receiver would probably refuse the next one too.
 */
const REFUSED_AGE_MIN_MS = 10_000;

/** Keeps the current token. Callers that need a new one at the same time share one request for it. */
export class TokenCache {
  readonly #options: TokenCacheOptions;
  #cached: CachedToken | undefined;
  #fetching: Promise<CachedToken> | undefined;
  #failure: { readonly error: unknown; readonly untilMs: number } | undefined;

  constructor(options: TokenCacheOptions) {
    this.#options = options;
  }

  /**
   * Returns the value of the header `Authorization`. Waits for a new token only if there is none, or if the old one is
   * no longer valid.
   */
  async authorization(): Promise<string> {
    const nowMs = this.#options.clock.monotonicMs();
    const cached = this.#cached;
    if (cached !== undefined && nowMs < cached.renewAtMs) return cached.authorization;
    const renewed = this.#renew(nowMs);
    if (cached === undefined || nowMs >= cached.endMs) return (await renewed).authorization;
    // The caller gets the old token, which is still valid. `onFetched` gets the error of a failed fetch.
    renewed.catch(() => {});
    return cached.authorization;
  }

  /**
   * Drops a token that a receiver has refused, unless it is younger than `REFUSED_AGE_MIN_MS`. Returns whether the next
   * call of `authorization` gives another token.
   */
  refuse(authorization: string | undefined): boolean {
    const cached = this.#cached;
    if (cached === undefined || cached.authorization !== authorization) return true;
    if (this.#options.clock.monotonicMs() - cached.fetchedMs < REFUSED_AGE_MIN_MS) return false;
    this.#cached = undefined;
    return true;
  }

  /**
   * Lets the next call of `authorization` that needs a token fetch it at once, since the cause of the last failure may
   * have been removed.
   */
  forgetFailure(): void {
    this.#failure = undefined;
  }

  #renew(nowMs: number): Promise<CachedToken> {
    if (this.#fetching !== undefined) return this.#fetching;
    if (this.#failure !== undefined && nowMs < this.#failure.untilMs)
      return Promise.reject(this.#failure.error);
    this.#fetching = this.#fetch(nowMs).finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #fetch(nowMs: number): Promise<CachedToken> {
    const { clock, expiryBufferMs, fetchToken, onFetched } = this.#options;
    try {
      const { authorization, lifetimeMs = Number.POSITIVE_INFINITY } = await fetchToken();
      const endMs = nowMs + lifetimeMs;
      const renewAtMs = endMs - Math.min(expiryBufferMs, lifetimeMs / 2);
      this.#cached = { authorization, fetchedMs: nowMs, renewAtMs, endMs };
      this.#failure = undefined;
      onFetched(undefined);
      return this.#cached;
    } catch (error) {
      this.#failure = { error, untilMs: clock.monotonicMs() + RETRY_MS };
      onFetched(messageOf(error));
      throw error;
    }
  }
}
