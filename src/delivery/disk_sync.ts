// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import type { Segment } from "./disk_segment.ts";

export interface DelayedSyncOptions {
  readonly clock: Clock;
  readonly everyMs: number;
  /** Whether the segment still has records that are needed. One that was removed meanwhile is not synced. */
  isInUse(segment: Segment): boolean;
  onError(error: Error): void;
}

/** Forces writes to the disk some time later, so that one sync serves many writes. A loss of power loses at most the writes of `everyMs`. */
export class DelayedSync {
  readonly #options: DelayedSyncOptions;
  readonly #written = new Set<Segment>();
  #cancel: (() => void) | undefined;

  constructor(options: DelayedSyncOptions) {
    this.#options = options;
  }

  /** The segment has been written to. */
  wrote(segment: Segment): void {
    this.#written.add(segment);
    this.#cancel ??= this.#options.clock.after(this.#options.everyMs, () => this.#sync());
  }

  cancel(): void {
    this.#cancel?.();
  }

  #sync(): void {
    const { isInUse, onError } = this.#options;
    this.#cancel = undefined;
    const segments = [...this.#written].filter(isInUse);
    this.#written.clear();
    for (const segment of segments)
      segment.syncLater((error) => {
        if (error !== null && isInUse(segment)) onError(error);
      });
  }
}
