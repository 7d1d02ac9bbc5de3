// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";

/** The limit never falls below this: no known peer takes less, and one that refuses at random must not make requests ever smaller. */
const BYTES_MIN = 64 * 1024;
/** Each time this has passed, a limit that was found is doubled: the peer may have been given more room. */
const DOUBLED_MS = 3_600_000;

/** How a peer has answered the parts of one batch, in bytes. */
export interface SizeFinding {
  /** The size of the largest part that the peer took. */
  readonly passedBytes: number;
  /** The size of the smallest part that the peer found too large. */
  readonly refusedBytes: number;
}

/** The largest request that is sent: the config's limit, or a smaller one that the peer's answers have shown. */
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

  /** Learns from a finding. Returns whether the limit is lower now. */
  lower({ passedBytes, refusedBytes }: SizeFinding): boolean {
    const found = Math.max(passedBytes, BYTES_MIN);
    // A batch that was made before the limit was found says nothing against it.
    if (found >= this.bytes || refusedBytes > this.bytes) return false;
    this.#foundBytes = found;
    this.#foundMs = this.#clock.monotonicMs();
    return true;
  }
}
