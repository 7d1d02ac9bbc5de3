// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import type { Segment } from "./disk_segment.ts";

export interface DelayedSyncOptions {
  readonly clock: Clock;
  /** The time from a write to the sync. */
  readonly everyMs: number;
  /** Whether the segment is still a part of the queue. A segment that was removed before the sync is not synced. */
  isInUse(segment: Segment): boolean;
  onError(error: Error): void;
}

/** Forces writes to the disk `everyMs` later: one sync serves many writes, and a loss of power loses at most these. */
export class DelayedSync {
  readonly #options: DelayedSyncOptions;
  readonly #written = new Set<Segment>();
  #cancel: (() => void) | undefined;

  constructor(options: DelayedSyncOptions) {
    this.#options = options;
  }

  /** Notes that the segment was written to, and starts the timer of the sync if it does not run. */
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
