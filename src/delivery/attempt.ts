// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import type { Answer } from "../peer/answer.ts";
import { BROKEN_OFF, brokenOff } from "../peer/broken_off.ts";

/** What goes out as one request: encoded requests that are joined by putting one behind the other. */
export interface Batch {
  readonly parts: readonly Uint8Array[];
  /** Data points in it. */
  readonly points: number;
  /** Of all parts. */
  readonly bytes: number;
}

/**
 * Makes one attempt. Never rejects, and resolves soon after `signal` aborts: at the deadline, or, as `isBrokenOff` tells, where
 * the agent does not wait any longer.
 */
export type Send = (batch: Batch, signal: AbortSignal) => Promise<Answer>;

/** How long an attempt may take to end after its deadline. */
const STUCK_MS = 2_000;

const STUCK: Answer = {
  kind: "busy",
  status: "internal",
  error: "BUG: an attempt has not ended at its deadline",
};
const ENDED: Answer = { kind: "busy", status: "shutdown", error: BROKEN_OFF };

/** One attempt with its deadline. A transport that breaks its contract costs the attempt, and not the exporter. */
export class Attempt {
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  readonly #end = Promise.withResolvers<Answer>();
  #cancel: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `timeoutMs` is 0 for no deadline. Never rejects. */
  async make(send: Send, batch: Batch, timeoutMs: number): Promise<Answer> {
    if (timeoutMs > 0) this.#cancel = this.#clock.after(timeoutMs, () => this.#meetDeadline());
    try {
      return await Promise.race([send(batch, this.#controller.signal), this.#end.promise]);
    } catch (error) {
      // The request must still be accounted for.
      return { kind: "drop", status: "internal", error: `BUG: ${String(error)}` };
    } finally {
      this.#cancel();
    }
  }

  /** Ends it at once. */
  breakOff(): void {
    this.#cancel();
    this.#controller.abort(brokenOff());
    this.#end.resolve(ENDED);
  }

  #meetDeadline(): void {
    this.#controller.abort(new Error("timeout"));
    this.#cancel = this.#clock.after(STUCK_MS, () => this.#end.resolve(STUCK));
  }
}
