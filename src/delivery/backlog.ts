// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";

/** Intake is measured over windows of this length, and over the one before. */
const WINDOW_MS = 30_000;
/** Before so much time has passed, the first scrapes of a start would look like a high rate. */
const MEASURED_MIN_MS = 15_000;
/** A node that takes in next to nothing still gets rid of its backlog. */
const RATE_MIN_BYTES = 64 * 1024;

/**
 * How fast a backlog may leave: a few times as fast as new requests come in, so that the queues of a fleet do not arrive
 * at once when a gateway is back.
 */
export class BacklogRate {
  readonly #clock: Clock;
  readonly #factor: number;
  #windowMs: number;
  #bytes = 0;
  #bytesBefore = 0;
  #lengthBefore = 0;
  /** When the next batch of a backlog may leave. */
  #nextMs = 0;

  /** `factor` says how many times as fast as requests come in; 0 for no limit. */
  constructor(clock: Clock, factor: number) {
    this.#clock = clock;
    this.#factor = factor;
    this.#windowMs = clock.monotonicMs();
  }

  /** So many bytes have come in. */
  came(bytes: number): void {
    this.#turn();
    this.#bytes += bytes;
  }

  /** How long a batch of a backlog must still wait, in milliseconds; 0 where it may leave. */
  waitMs(): number {
    return this.#factor === 0 ? 0 : Math.max(0, this.#nextMs - this.#clock.monotonicMs());
  }

  /** A batch of a backlog has left. */
  left(bytes: number): void {
    if (this.#factor === 0) return;
    const nowMs = this.#clock.monotonicMs();
    this.#nextMs = Math.max(nowMs, this.#nextMs) + (bytes * 1_000) / this.#bytesPerSecond();
  }

  /** A part of such a batch was not sent after all. */
  cameBack(bytes: number): void {
    if (this.#factor > 0) this.#nextMs -= (bytes * 1_000) / this.#bytesPerSecond();
  }

  #bytesPerSecond(): number {
    this.#turn();
    const measuredMs = this.#clock.monotonicMs() - this.#windowMs + this.#lengthBefore;
    const bytes = this.#bytes + this.#bytesBefore;
    const live = (bytes * 1_000) / Math.max(MEASURED_MIN_MS, measuredMs);
    return Math.max(RATE_MIN_BYTES, this.#factor * live);
  }

  #turn(): void {
    const nowMs = this.#clock.monotonicMs();
    const lengthMs = nowMs - this.#windowMs;
    if (lengthMs < WINDOW_MS) return;
    this.#bytesBefore = this.#bytes;
    this.#lengthBefore = lengthMs;
    this.#bytes = 0;
    this.#windowMs = nowMs;
  }
}
