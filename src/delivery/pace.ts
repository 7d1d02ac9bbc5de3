// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import { Backoff } from "./backoff.ts";
import type { RetryConfig } from "./retry_config.ts";

/** A peer may ask for longer than it means: an hour is long enough, and the queue fills meanwhile. */
const ASKED_MAX_MS = 3_600_000;
/** A fleet that was asked to come back at one time comes back spread over so much more of it. */
const ASKED_SPREAD = 0.1;

export interface PaceOptions {
  readonly clock: Clock;
  readonly retry: RetryConfig;
  /** Numbers from 0 to 1 for the jitter. */
  readonly random: () => number;
  /** Hears when something may be sent again. */
  onGo(): void;
}

/** The mark of an attempt: what the pace was when it began. */
export type Mark = number;

/**
 * Whether the peer may be asked now. What a peer says about itself holds for the exporter and not for one request:
 * after a failure all requests wait, then one goes out as a probe, and the rest follows when that is delivered.
 */
export class Pace {
  readonly #options: PaceOptions;
  readonly #backoff: Backoff;
  /** "probe": one request may go out, and nothing else until it is known what became of it. */
  #state: "open" | "waiting" | "probe" = "open";
  /** Whether the peer asked for the pause: while it lasts it is asked at most once, whatever happens here. */
  #isAsked = false;
  #goAtMs = 0;
  #cancel: (() => void) | undefined;
  /** Counts the changes: an attempt from before the last one says nothing new. */
  #mark: Mark = 0;
  /** Of pauses that are over. */
  #excusedMs = 0;
  /** From when on the pause that lasts is excused; never where it is not. */
  #excusedFromMs = Number.POSITIVE_INFINITY;
  #isEnding = false;

  constructor(options: PaceOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.retry, options.random);
  }

  get mark(): Mark {
    return this.#mark;
  }

  /**
   * Milliseconds, until that time, of pauses that peers asked for, or that came of a wrong address: no request's time
   * runs in them.
   */
  excusedMs(untilMs: number): number {
    return this.#excusedMs + Math.max(0, Math.min(untilMs, this.#goAtMs) - this.#excusedFromMs);
  }

  /** How many requests may be on their way now. */
  room(consumers: number): number {
    switch (this.#state) {
      case "open":
        return consumers;
      case "waiting":
        return 0;
      case "probe":
        return 1;
    }
  }

  /** Sends nothing for so long: agents that start together need not push together. */
  startLater(ms: number): void {
    if (ms > 0) this.#wait(ms);
  }

  /** The peer took a request, or found fault with that request alone: it is there. */
  answered(mark: Mark): void {
    if (this.#state === "open" || (mark !== this.#mark && this.#isAsked)) return;
    this.#open();
  }

  /** The peer cannot take requests for now. Returns how long nothing is sent. */
  failed(mark: Mark, delay: { readonly askedMs: number | undefined; readonly isExcused: boolean }): number {
    const { clock, random } = this.#options;
    const nowMs = clock.monotonicMs();
    const isAsked = delay.askedMs !== undefined && delay.askedMs > 0;
    const leftMs = this.#state === "waiting" ? this.#goAtMs - nowMs : 0;
    // Others of the same round have failed for the same reason; only a peer's wish can make it longer.
    if (mark !== this.#mark && leftMs > 0 && !isAsked) return leftMs;
    const askedMs = Math.min(delay.askedMs ?? 0, ASKED_MAX_MS) * (1 + ASKED_SPREAD * random());
    const ownMs = mark === this.#mark || leftMs <= 0 ? this.#backoff.next() : leftMs;
    const waitMs = Math.max(ownMs, askedMs);
    if (waitMs <= leftMs) return leftMs;
    // Of a longer pause the excused part is what has been so, and what is added.
    const wasExcused = this.#excusedFromMs < Number.POSITIVE_INFINITY;
    this.#endExcuse();
    if (isAsked || delay.isExcused) this.#excusedFromMs = nowMs + (wasExcused ? 0 : leftMs);
    // At the end the one request that such a peer gets has been used up.
    this.#isAsked = isAsked || (this.#isEnding && this.#isAsked);
    this.#wait(waitMs);
    return waitMs;
  }

  /**
   * The agent stops: nothing waits any longer. A peer that asked to be left alone gets one request, and the rest only if
   * it takes that.
   */
  end(): void {
    this.#isEnding = true;
    if (this.#state !== "open") this.#go();
  }

  close(): void {
    this.#cancel?.();
  }

  #wait(ms: number): void {
    const { clock, onGo } = this.#options;
    this.#cancel?.();
    this.#mark++;
    this.#state = "waiting";
    if (this.#isEnding) {
      if (!this.#isAsked) this.#open();
      return;
    }
    this.#goAtMs = clock.monotonicMs() + ms;
    this.#cancel = clock.after(ms, () => {
      this.#go();
      onGo();
    });
  }

  #endExcuse(): void {
    this.#excusedMs = this.excusedMs(this.#options.clock.monotonicMs());
    this.#excusedFromMs = Number.POSITIVE_INFINITY;
  }

  #go(): void {
    this.#endExcuse();
    this.#cancel?.();
    this.#mark++;
    this.#state = this.#isEnding && !this.#isAsked ? "open" : "probe";
  }

  #open(): void {
    this.#endExcuse();
    this.#cancel?.();
    this.#mark++;
    this.#state = "open";
    this.#isAsked = false;
    this.#backoff.reset();
  }
}
