// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../clock/clock.ts";
import type { Reading, Resource } from "../../metrics/model.ts";

/** Limits on the readings that are kept. */
export interface ReadingsOptions {
  readonly clock: Clock;
  /** A reading is dropped when its resource has had no newer one for this long. */
  readonly expirationMs: number;
  readonly resourcesMax: number;
}

/** The readings of one moment. It never changes. */
export interface Snapshot {
  readonly readings: readonly Reading[];
  /** Equal for two snapshots if no reading was added or removed between them. */
  readonly version: number;
  /** Equal for two snapshots if no resource was removed between them. */
  readonly departures: number;
}

/** Keeps the latest reading of every resource. */
export class Readings {
  readonly #options: ReadingsOptions;
  readonly #latest = new Map<string, { readonly reading: Reading; readonly atMs: number }>();
  #version = 0;
  #departures = 0;

  constructor(options: ReadingsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#latest.size;
  }

  /** Keeps the reading and returns true. Returns false for a new resource if `resourcesMax` others are kept. */
  put(reading: Reading): boolean {
    const { clock, resourcesMax } = this.#options;
    const { key } = reading.resource;
    if (this.#latest.size >= resourcesMax && !this.#latest.has(key)) {
      this.#expire();
      if (this.#latest.size >= resourcesMax) return false;
    }
    this.#latest.set(key, { reading, atMs: clock.monotonicMs() });
    this.#version++;
    return true;
  }

  end({ key }: Resource): void {
    if (!this.#latest.delete(key)) return;
    this.#version++;
    this.#departures++;
  }

  snapshot(): Snapshot {
    this.#expire();
    return {
      readings: Array.from(this.#latest.values(), ({ reading }) => reading),
      version: this.#version,
      departures: this.#departures,
    };
  }

  #expire(): void {
    const { clock, expirationMs } = this.#options;
    const oldestMs = clock.monotonicMs() - expirationMs;
    for (const { reading, atMs } of this.#latest.values()) if (atMs < oldestMs) this.end(reading.resource);
  }
}
