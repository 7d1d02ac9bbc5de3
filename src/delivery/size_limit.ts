// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";

/** The limit never falls below this, so that a peer that refuses at random does not make requests ever smaller. */
const BYTES_MIN = 64 * 1024;
/** A limit that the peer's answers have shown is doubled each hour, since the peer's own limit may have been raised. */
const DOUBLED_MS = 3_600_000;

/** Which sizes of the parts of one batch a peer accepted and refused, in bytes. */
export interface SizeFinding {
  /** The size of the largest part that the peer accepted. */
  readonly passedBytes: number;
  /** The size of the smallest part that the peer found too large. */
  readonly refusedBytes: number;
}

/** The limit on a request's bytes: `batch::max_size`, or a smaller size that the peer's answers have shown. */
export class SizeLimit {
  readonly #clock: Clock;
  readonly #configuredBytes: number;
  #foundBytes = Number.POSITIVE_INFINITY;
  #foundMs = 0;

  constructor(clock: Clock, configuredBytes: number) {
    this.#clock = clock;
    this.#configuredBytes = configuredBytes;
  }

  get bytes(): number {
    return Math.min(this.#configuredBytes, this.foundBytes);
  }

  /** The limit that the peer's answers have shown; infinite if they have shown none. */
  get foundBytes(): number {
    return this.#foundBytes * 2 ** Math.floor((this.#clock.monotonicMs() - this.#foundMs) / DOUBLED_MS);
  }

  /** Lowers the limit to the largest part that the peer accepted. Returns whether the limit is lower now. */
  lower({ passedBytes, refusedBytes }: SizeFinding): boolean {
    const found = Math.max(passedBytes, BYTES_MIN);
    // A refused batch that exceeds the current limit was made before this limit was found, and shows no lower one.
    if (found >= this.bytes || refusedBytes > this.bytes) return false;
    this.#foundBytes = found;
    this.#foundMs = this.#clock.monotonicMs();
    return true;
  }
}
