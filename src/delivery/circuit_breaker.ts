// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import { Backoff } from "./backoff.ts";
import type { RetryConfig } from "./retry_config.ts";

/** The longest pause that a peer can get by asking: an hour. Asking for more is probably a mistake and fills queues. */
const ASKED_MAX_MS = 3_600_000;
/**
 * A pause that the peer asked for is made longer at random, by at most this share of it, so that agents do not all send
 * at the same time.
 */
const ASKED_SPREAD = 0.1;

export interface CircuitBreakerOptions {
  readonly clock: Clock;
  readonly retry: RetryConfig;
  /** Gives numbers from 0 to 1, for the jitter. */
  readonly random: () => number;
  /** Called when a pause ends, so that one request can be sent. */
  onReady(): void;
}

/**
 * A number that grows with each change of the breaker's state. An attempt that began in an older generation says
 * nothing new about the peer.
 */
export type Generation = number;

/** The facts about a failure on which the pause after it depends. */
export interface PauseRequest {
  /** The pause that the peer asked for; undefined if it asked for none. */
  readonly askedMs: number | undefined;
  /** Whether the pause does not count for `max_elapsed_time`, the time in which requests are tried. */
  readonly isExcluded: boolean;
}

/**
 * Decides whether requests can be sent now. A failure of the peer concerns all requests, so all of them wait:
 *
 * - "closed": requests are sent.
 * - "open": no request is sent until the pause ends. The pause is the back-off's, or the one that the peer asked
 *   for if that is longer.
 * - "half_open": one request is sent. If the peer answers it, the breaker closes; if the peer fails, it opens again.
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions;
  readonly #backoff: Backoff;
  #state: "closed" | "open" | "half_open" = "closed";
  /**
   * Whether the peer asked for the pause. If so, only its answer to the one request of "half_open" closes the breaker,
   * also at a shutdown. An answer to an earlier request does not.
   */
  #isAsked = false;
  #pauseEndMs = 0;
  #cancel: (() => void) | undefined;
  #generation: Generation = 0;
  /** The sum of the ended pauses, as far as they do not count for `max_elapsed_time`, in milliseconds. */
  #excludedMs = 0;
  /**
   * When the part of the current pause begins that does not count for `max_elapsed_time`; infinite if all of the pause
   * counts.
   */
  #excludedFromMs = Number.POSITIVE_INFINITY;
  #isDraining = false;

  constructor(options: CircuitBreakerOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.retry, options.random);
  }

  get generation(): Generation {
    return this.#generation;
  }

  /**
   * How many milliseconds of excluded pauses there were until the time `untilMs`: pauses that a peer asked for, or that
   * a wrong address or wrong credentials caused. They do not count for `max_elapsed_time`.
   */
  excludedMs(untilMs: number): number {
    return this.#excludedMs + Math.max(0, Math.min(untilMs, this.#pauseEndMs) - this.#excludedFromMs);
  }

  /** How many batches may be sent at the same time now. `numConsumers` is the most that the config allows. */
  allowed(numConsumers: number): number {
    switch (this.#state) {
      case "closed":
        return numConsumers;
      case "open":
        return 0;
      case "half_open":
        return 1;
    }
  }

  /** Begins with a pause, so that agents that start together do not send together. */
  startAfter(ms: number): void {
    if (ms > 0) this.#pause(ms);
  }

  /** Notes that the peer accepted a request, or rejected this request alone: so the peer works. */
  answered(generation: Generation): void {
    if (this.#state === "closed" || (generation !== this.#generation && this.#isAsked)) return;
    this.#close();
  }

  /** Notes that the peer accepts no requests now. Returns how long nothing is sent, in milliseconds. */
  failed(generation: Generation, { askedMs: wishMs, isExcluded }: PauseRequest): number {
    const { clock, random } = this.#options;
    const nowMs = clock.monotonicMs();
    const isAsked = wishMs !== undefined && wishMs > 0;
    const leftMs = this.#state === "open" ? this.#pauseEndMs - nowMs : 0;
    // Attempts of one generation fail for one reason. Only the first failure counts, unless a later one asks for a
    // pause.
    if (generation !== this.#generation && leftMs > 0 && !isAsked) return leftMs;
    const askedMs = Math.min(wishMs ?? 0, ASKED_MAX_MS) * (1 + ASKED_SPREAD * random());
    const ownMs = generation === this.#generation || leftMs <= 0 ? this.#backoff.next() : leftMs;
    const waitMs = Math.max(ownMs, askedMs);
    if (waitMs <= leftMs) return leftMs;
    // If this failure excludes the longer pause from `max_elapsed_time`: all that is left is excluded if a part of the
    // old pause was, else only the added time is.
    const wasExcluded = this.#excludedFromMs < Number.POSITIVE_INFINITY;
    this.#endExcluded();
    if (isAsked || isExcluded) this.#excludedFromMs = nowMs + (wasExcluded ? 0 : leftMs);
    // At a shutdown a peer that asked for a pause gets one request. That request has failed now, so no other is sent.
    this.#isAsked = isAsked || (this.#isDraining && this.#isAsked);
    this.#pause(waitMs);
    return waitMs;
  }

  /**
   * Ends the pause, for a shutdown. If the peer asked for it, the peer gets one request, and more only if it answers.
   */
  drain(): void {
    this.#isDraining = true;
    if (this.#state !== "closed") this.#endPause();
  }

  /** Cancels the timer of the pause. */
  stop(): void {
    this.#cancel?.();
  }

  #pause(ms: number): void {
    const { clock, onReady } = this.#options;
    this.#cancel?.();
    this.#generation++;
    this.#state = "open";
    if (this.#isDraining) {
      if (!this.#isAsked) this.#close();
      return;
    }
    this.#pauseEndMs = clock.monotonicMs() + ms;
    this.#cancel = clock.after(ms, () => {
      this.#endPause();
      onReady();
    });
  }

  #endPause(): void {
    this.#endExcluded();
    this.#cancel?.();
    this.#generation++;
    this.#state = this.#isDraining && !this.#isAsked ? "closed" : "half_open";
  }

  #close(): void {
    this.#endExcluded();
    this.#cancel?.();
    this.#generation++;
    this.#state = "closed";
    this.#isAsked = false;
    this.#backoff.reset();
  }

  #endExcluded(): void {
    this.#excludedMs = this.excludedMs(this.#options.clock.monotonicMs());
    this.#excludedFromMs = Number.POSITIVE_INFINITY;
  }
}
