// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import type { Consumer, NoRoom } from "../component/consumer.ts";
import type { Ended, Reading, Resource } from "../metrics/model.ts";

/** Stands behind a receiver and knows which of its resources have not ended, so that they can be when it is taken out. */
export class OpenResources implements Consumer {
  readonly #target: Consumer;
  readonly #clock: Clock;
  readonly #open = new Map<string, Resource>();

  constructor(target: Consumer, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
  }

  noRoom(resourceKey: string): NoRoom | undefined {
    return this.#target.noRoom(resourceKey);
  }

  consume(reading: Reading): void {
    const { resource } = reading;
    if (this.#open.get(resource.key) !== resource) this.#open.set(resource.key, resource);
    this.#target.consume(reading);
  }

  end(ended: Ended): void {
    this.#open.delete(ended.resource.key);
    this.#target.end(ended);
  }

  /** Ends all that are open, but for those that its successor has taken up. */
  endAll(successor?: OpenResources): void {
    for (const resource of this.#open.values())
      if (successor === undefined || !successor.#open.has(resource.key))
        this.#target.end({ resource, timeMs: this.#clock.nowMs() });
    this.#open.clear();
  }
}

/** By then a receiver has scraped what it finds, however long its interval is. */
const TAKEN_UP_MS = 60_000;

/** Ends what receivers leave open that a reload has taken out. */
export class Orphans {
  readonly #clock: Clock;
  readonly #timers = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** All at once where nobody has come in the receiver's place, else what the successor has not taken up after a minute. */
  endAll(left: OpenResources, successor: OpenResources | undefined): void {
    if (successor === undefined) {
      left.endAll();
      return;
    }
    const cancel = this.#clock.after(TAKEN_UP_MS, () => {
      this.#timers.delete(cancel);
      left.endAll(successor);
    });
    this.#timers.add(cancel);
  }

  close(): void {
    for (const cancel of this.#timers) cancel();
  }
}
