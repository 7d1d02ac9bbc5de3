// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";

export interface QueueReadinessOptions {
  readonly clock: Clock;
  /** Makes the agent report that it is not ready, with the reason, until the returned function is called. */
  hold(reason: string): () => void;
  /** Whether the queue would accept a reading now without dropping another one. */
  hasRoom(): boolean;
}

/** The time without a loss after which the agent is ready again. Even a full queue accepts a request now and then. */
const CALM_MS = 30_000;

/**
 * Keeps the agent from being ready while the queue loses readings: from the first reading that is rejected, or for
 * which another one is dropped, until no reading was lost for `CALM_MS` and the queue has room.
 */
export class QueueReadiness {
  readonly #options: QueueReadinessOptions;
  #reason = "";
  #release: (() => void) | undefined;
  #cancelCheck: () => void = () => {};

  constructor(options: QueueReadinessOptions) {
    this.#options = options;
  }

  /** Notes that the queue has lost a reading, or would lose one now. */
  noteFull(reason: string): void {
    this.#checkLater();
    if (this.#release !== undefined && reason === this.#reason) return;
    this.#release?.();
    this.#reason = reason;
    this.#release = this.#options.hold(reason);
  }

  close(): void {
    this.#cancelCheck();
    this.#release?.();
  }

  #checkLater(): void {
    this.#cancelCheck();
    this.#cancelCheck = this.#options.clock.after(CALM_MS, () => {
      if (!this.#options.hasRoom()) return this.#checkLater();
      this.#release?.();
      this.#release = undefined;
    });
  }
}
