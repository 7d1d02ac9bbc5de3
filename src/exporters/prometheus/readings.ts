// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../clock/clock.ts";
import type { Reading, Resource } from "../../metrics/model.ts";

export interface ReadingsOptions {
  readonly clock: Clock;
  /** A reading that nothing has renewed for so long is left out of snapshots. */
  readonly expirationMs: number;
  readonly resourcesMax: number;
}

/** The readings of one moment. Nothing in it changes. */
export interface Snapshot {
  readonly readings: readonly Reading[];
  /** Equal while no reading comes or goes. */
  readonly version: number;
  /** Equal while no resource goes. */
  readonly departures: number;
}

/** The latest reading of every resource. */
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

  /** Whether the reading is kept: there is no place for a new resource where there are too many. */
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
