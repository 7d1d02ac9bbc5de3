// SPDX-License-Identifier: Apache-2.0
import type { Consumer, NoRoom } from "../component/consumer.ts";
import type { Ended, Reading } from "../metrics/model.ts";

/**
 * A connection to a component that can be exchanged while the components around it run. While no component is connected,
 *
 * - `noRoom` says "exchange", so that sources make no readings;
 * - a reading that comes all the same is lost, and is given to `onLost`;
 * - ends wait for the next component, because nobody repeats them.
 */
export class Relay implements Consumer {
  readonly #onLost: (reading: Reading) => void;
  #target: Consumer | undefined;
  #ends: Ended[] = [];

  constructor(onLost: (reading: Reading) => void) {
    this.#onLost = onLost;
  }

  connect(target: Consumer): void {
    this.#target = target;
    const ends = this.#ends;
    this.#ends = [];
    for (const ended of ends) target.end(ended);
  }

  disconnect(): void {
    this.#target = undefined;
  }

  noRoom(resourceKey: string): NoRoom | undefined {
    return this.#target === undefined ? "exchange" : this.#target.noRoom(resourceKey);
  }

  consume(reading: Reading): void {
    if (this.#target === undefined) this.#onLost(reading);
    else this.#target.consume(reading);
  }

  end(ended: Ended): void {
    if (this.#target === undefined) this.#ends.push(ended);
    else this.#target.end(ended);
  }
}
