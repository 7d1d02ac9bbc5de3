// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";

/** Peers that take less are not met with; one that refuses at random must not make requests ever smaller. */
const BYTES_MIN = 64 * 1024;
/** After so long a limit that was found is doubled: the peer may have been given more room. */
const DOUBLED_MS = 3_600_000;

/** What a peer has said about one batch, in bytes. */
export interface SizeFinding {
  /** The largest part that passed. */
  readonly passedBytes: number;
  /** The smallest part that it found too large. */
  readonly refusedBytes: number;
}

/** The largest request that a peer has shown to take. */
export class SizeLimit {
  readonly #clock: Clock;
  readonly #mostBytes: number;
  #foundBytes = Number.POSITIVE_INFINITY;
  #foundMs = 0;

  /** `mostBytes` is what the config says. */
  constructor(clock: Clock, mostBytes: number) {
    this.#clock = clock;
    this.#mostBytes = mostBytes;
  }

  get bytes(): number {
    return Math.min(this.#mostBytes, this.found);
  }

  /** The limit that was found, infinite where none was. */
  get found(): number {
    return this.#foundBytes * 2 ** Math.floor((this.#clock.monotonicMs() - this.#foundMs) / DOUBLED_MS);
  }

  /** Takes note of a finding. Whether the limit is lower now. */
  lower({ passedBytes, refusedBytes }: SizeFinding): boolean {
    const found = Math.max(passedBytes, BYTES_MIN);
    // A batch from before the limit was found says nothing against it.
    if (found >= this.bytes || refusedBytes > this.bytes) return false;
    this.#foundBytes = found;
    this.#foundMs = this.#clock.monotonicMs();
    return true;
  }
}
