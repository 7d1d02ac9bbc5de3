// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";

export interface QueueReadinessOptions {
  readonly clock: Clock;
  /** Keeps the agent from being ready for the reason, until the returned function is called. */
  hold(reason: string): () => void;
  /** Whether the queue would take a reading now without losing another one for it. */
  hasRoom(): boolean;
}

/** How long a queue must have taken everything until it counts as well: a full one also takes a request now and then. */
const CALM_MS = 30_000;

/**
 * Keeps the agent from being ready while the queue loses readings: from the first reading that is rejected, or for which
 * another one is dropped, until the queue has had room for `CALM_MS`.
 */
export class QueueReadiness {
  readonly #options: QueueReadinessOptions;
  #reason = "";
  #release: (() => void) | undefined;
  #cancelCheck: () => void = () => {};

  constructor(options: QueueReadinessOptions) {
    this.#options = options;
  }

  /** The queue has lost a reading, or would lose one now. */
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
