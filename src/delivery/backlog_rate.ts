// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";

/** The rate of new requests is measured over the current window and the one before. A window ends after this time. */
const WINDOW_MS = 30_000;
/**
 * The measured bytes are divided by at least this time. A shorter one would turn the first scrapes after a start into a
 * high rate.
 */
const MEASURED_MIN_MS = 15_000;
/** A backlog leaves at least this fast, however few new requests come. */
const BYTES_PER_SECOND_MIN = 64 * 1024;

/**
 * Limits how fast a backlog leaves to a few times the rate of new requests. So the queues of many agents do not all
 * arrive at once when their gateway is back after an outage.
 */
export class BacklogRate {
  readonly #clock: Clock;
  readonly #factor: number;
  /** When the current window began. */
  #windowMs: number;
  /** The bytes of new requests in the current window. */
  #bytes = 0;
  /** The bytes of new requests in the window before. */
  #bytesBefore = 0;
  /** The length of the window before. */
  #lengthBeforeMs = 0;
  /** When the next batch of a backlog can be sent, by the monotonic clock. */
  #nextMs = 0;

  /** `factor` is the rate of a backlog as a multiple of the rate of new requests; 0 for no limit. */
  constructor(clock: Clock, factor: number) {
    this.#clock = clock;
    this.#factor = factor;
    this.#windowMs = clock.monotonicMs();
  }

  /** Notes that a new request of `bytes` bytes was added to the queue. */
  enqueued(bytes: number): void {
    this.#turn();
    this.#bytes += bytes;
  }

  /** How long the next batch of a backlog must still wait, in milliseconds; 0 if it can be sent now. */
  waitMs(): number {
    return this.#factor === 0 ? 0 : Math.max(0, this.#nextMs - this.#clock.monotonicMs());
  }

  /** Notes that a batch of `bytes` bytes of a backlog has left the queue. */
  taken(bytes: number): void {
    if (this.#factor === 0) return;
    const nowMs = this.#clock.monotonicMs();
    this.#nextMs = Math.max(nowMs, this.#nextMs) + (bytes * 1_000) / this.#bytesPerSecond();
  }

  /** Notes that requests of `bytes` bytes are back in the queue, so that they do not count as having left it. */
  requeued(bytes: number): void {
    if (this.#factor > 0) this.#nextMs -= (bytes * 1_000) / this.#bytesPerSecond();
  }

  #bytesPerSecond(): number {
    this.#turn();
    const measuredMs = this.#clock.monotonicMs() - this.#windowMs + this.#lengthBeforeMs;
    const bytes = this.#bytes + this.#bytesBefore;
    const live = (bytes * 1_000) / Math.max(MEASURED_MIN_MS, measuredMs);
    return Math.max(BYTES_PER_SECOND_MIN, this.#factor * live);
  }

  /** Begins a new window when the current one is long enough. */
  #turn(): void {
    const nowMs = this.#clock.monotonicMs();
    const lengthMs = nowMs - this.#windowMs;
    if (lengthMs < WINDOW_MS) return;
    this.#bytesBefore = this.#bytes;
    this.#lengthBeforeMs = lengthMs;
    this.#bytes = 0;
    this.#windowMs = nowMs;
  }
}
