// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import type { Consumer, NoRoom } from "../component/consumer.ts";
import type { Ended, Reading, Resource } from "../metrics/model.ts";

/** Follows the readings of a receiver, and knows which of its resources have not ended. */
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

  /** Ends all open resources, except for those that the successor has open too. */
  endAll(successor?: OpenResources): void {
    for (const resource of this.#open.values())
      if (successor === undefined || !successor.#open.has(resource.key))
        this.#target.end({ resource, timeMs: this.#clock.nowMs() });
    this.#open.clear();
  }
}

/**
 * For this many milliseconds, a new receiver can scrape the sandboxes of the one that it replaces. After that, the
 * resources of which it has no readings are ended.
 */
const SUCCESSION_MS = 60_000;

/** Ends the resources that a receiver leaves open when a reload removes or replaces it. */
export class Orphans {
  readonly #clock: Clock;
  readonly #timers = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Ends the resources of `left` that nobody has taken over: all of them now, if there is no successor, or after a minute
   * those that the successor has no readings of.
   */
  endAll(left: OpenResources, successor: OpenResources | undefined): void {
    if (successor === undefined) {
      left.endAll();
      return;
    }
    const cancel = this.#clock.after(SUCCESSION_MS, () => {
      this.#timers.delete(cancel);
      left.endAll(successor);
    });
    this.#timers.add(cancel);
  }

  /** Cancels all waits for successors, so that no resource is ended after the graph has stopped. */
  close(): void {
    for (const cancel of this.#timers) cancel();
  }
}
