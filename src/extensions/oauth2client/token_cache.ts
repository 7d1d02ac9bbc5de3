// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../../clock/clock.ts";
import { messageOf } from "../../text/error_text.ts";

/** What an OAuth 2.0 server grants. */
export interface Token {
  /** The value of the header `Authorization`. */
  readonly authorization: string;
  /** Since the request for it; undefined where the server does not tell. */
  readonly lifetimeMs: number | undefined;
}

export interface TokenCacheOptions {
  readonly clock: Clock;
  /** How long before its end a token is exchanged; at most half of its life. */
  readonly expiryBufferMs: number;
  /** Gets a new one. Rejects in words for the user. */
  fetchToken(): Promise<Token>;
  /** Hears how each fetch ended; undefined for well. */
  onFetched(error: string | undefined): void;
}

interface Held {
  readonly authorization: string;
  readonly fetchedMs: number;
  readonly renewAtMs: number;
  readonly endMs: number;
}

/** After a failure, whoever asks gets the same failure for so long: many requests must not besiege a server in trouble. */
const RETRY_MS = 1_000;
/** A token that is refused sooner is not exchanged: the next one would hardly fare better. */
const REFUSED_AGE_MIN_MS = 10_000;

/** Keeps the token that is in use. However many ask, one request for a new one is on its way. */
export class TokenCache {
  readonly #options: TokenCacheOptions;
  #held: Held | undefined;
  #fetching: Promise<Held> | undefined;
  #failure: { readonly error: unknown; readonly untilMs: number } | undefined;

  constructor(options: TokenCacheOptions) {
    this.#options = options;
  }

  /** The value of the header `Authorization`. Waits for a new token only where the old one has ended. */
  async authorization(): Promise<string> {
    const nowMs = this.#options.clock.monotonicMs();
    const held = this.#held;
    if (held !== undefined && nowMs < held.renewAtMs) return held.authorization;
    const renewed = this.#renew(nowMs);
    if (held === undefined || nowMs >= held.endMs) return (await renewed).authorization;
    // The old one is good for a while yet; `onFetched` has heard of a failure.
    renewed.catch(() => {});
    return held.authorization;
  }

  /** Lets go of a token that was refused. Whether the next one will be another. */
  refuse(authorization: string | undefined): boolean {
    const held = this.#held;
    if (held === undefined || held.authorization !== authorization) return true;
    if (this.#options.clock.monotonicMs() - held.fetchedMs < REFUSED_AGE_MIN_MS) return false;
    this.#held = undefined;
    return true;
  }

  /** What made the last request fail may have changed: the next one need not wait. */
  forgetFailure(): void {
    this.#failure = undefined;
  }

  #renew(nowMs: number): Promise<Held> {
    if (this.#fetching !== undefined) return this.#fetching;
    if (this.#failure !== undefined && nowMs < this.#failure.untilMs)
      return Promise.reject(this.#failure.error);
    this.#fetching = this.#fetch(nowMs).finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #fetch(nowMs: number): Promise<Held> {
    const { clock, expiryBufferMs, fetchToken, onFetched } = this.#options;
    try {
      const { authorization, lifetimeMs = Number.POSITIVE_INFINITY } = await fetchToken();
      const endMs = nowMs + lifetimeMs;
      const renewAtMs = endMs - Math.min(expiryBufferMs, lifetimeMs / 2);
      this.#held = { authorization, fetchedMs: nowMs, renewAtMs, endMs };
      this.#failure = undefined;
      onFetched(undefined);
      return this.#held;
    } catch (error) {
      this.#failure = { error, untilMs: clock.monotonicMs() + RETRY_MS };
      onFetched(messageOf(error));
      throw error;
    }
  }
}
