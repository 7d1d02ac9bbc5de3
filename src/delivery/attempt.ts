// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import type { Answer } from "../peer/answer.ts";
import { BROKEN_OFF, brokenOff } from "../peer/broken_off.ts";

/** Encoded requests that are sent as one: the bytes of the parts, one behind the other, are one request. */
export interface Batch {
  readonly parts: readonly Uint8Array[];
  /** The number of data points in all parts. */
  readonly points: number;
  /** The number of bytes of all parts. */
  readonly bytes: number;
}

/**
 * Sends a batch once and returns the peer's answer. It never rejects, and resolves soon after `signal` aborts. The
 * signal aborts at the attempt's deadline, or earlier if a shutdown's time is over (see `isBrokenOff`).
 */
export type Send = (batch: Batch, signal: AbortSignal) => Promise<Answer>;

/** The longest time from an attempt's deadline to its end. After it, `make` returns `NOT_ENDED`. */
const OVERTIME_MS = 2_000;

const NOT_ENDED: Answer = {
  kind: "busy",
  status: "internal",
  error: "BUG: an attempt has not ended at its deadline",
};
const ENDED_EARLY: Answer = { kind: "busy", status: "shutdown", error: BROKEN_OFF };

/**
 * One attempt to send, with its deadline. It ends even if the transport rejects or hangs, against the contract of
 * `Send`.
 */
export class SendAttempt {
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  readonly #end = Promise.withResolvers<Answer>();
  #cancel: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Sends the batch. `timeoutMs` is 0 for no deadline. Never rejects. */
  async make(send: Send, batch: Batch, timeoutMs: number): Promise<Answer> {
    if (timeoutMs > 0) this.#cancel = this.#clock.after(timeoutMs, () => this.#meetDeadline());
    try {
      return await Promise.race([send(batch, this.#controller.signal), this.#end.promise]);
    } catch (error) {
      // The transport broke its contract. An answer is still needed, so that the requests are counted as lost.
      return { kind: "drop", status: "internal", error: `BUG: ${String(error)}` };
    } finally {
      this.#cancel();
    }
  }

  /** Ends the attempt at once: `make` resolves as if the peer were busy. */
  breakOff(): void {
    this.#cancel();
    this.#controller.abort(brokenOff());
    this.#end.resolve(ENDED_EARLY);
  }

  #meetDeadline(): void {
    this.#controller.abort(new Error("timeout"));
    this.#cancel = this.#clock.after(OVERTIME_MS, () => this.#end.resolve(NOT_ENDED));
  }
}
