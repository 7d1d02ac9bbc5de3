// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";

export interface QueueReadinessOptions {
  readonly clock: Clock;
  /** Keeps the agent from being ready for the reason, until the returned function is called. */
  hold(reason: string): () => void;
  /** Whether the queue would take a reading now and lose none for it. */
  hasRoom(): boolean;
}

/** A full queue takes something whenever something leaves. Only one that has taken everything for so long takes again. */
const CALM_MS = 30_000;

/** Keeps the agent from being ready from the first reading that the queue does not take, or loses another one for, until it takes again. */
export class QueueReadiness {
  readonly #options: QueueReadinessOptions;
  #reason = "";
  #release: (() => void) | undefined;
  #cancelLook: () => void = () => {};

  constructor(options: QueueReadinessOptions) {
    this.#options = options;
  }

  /** The queue has not taken a reading, or would not take one now. */
  full(reason: string): void {
    this.#lookLater();
    if (this.#release !== undefined && reason === this.#reason) return;
    this.#release?.();
    this.#reason = reason;
    this.#release = this.#options.hold(reason);
  }

  close(): void {
    this.#cancelLook();
    this.#release?.();
  }

  #lookLater(): void {
    this.#cancelLook();
    this.#cancelLook = this.#options.clock.after(CALM_MS, () => {
      if (!this.#options.hasRoom()) return this.#lookLater();
      this.#release?.();
      this.#release = undefined;
    });
  }
}
