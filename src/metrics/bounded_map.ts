// SPDX-License-Identifier: Apache-2.0
/**
 * A map with a limit, for values that can be made again. If the map is full, the next new key makes it forget all
 * values. This is enough for a limit that only hostile sources reach, and costs nothing for honest ones.
 */
export class BoundedMap<Key, Value> {
  readonly #sizeMax: number;
  readonly #values = new Map<Key, Value>();

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  get(key: Key): Value | undefined {
    return this.#values.get(key);
  }

  set(key: Key, value: Value): void {
    if (this.#values.size >= this.#sizeMax && !this.#values.has(key)) this.#values.clear();
    this.#values.set(key, value);
  }
}
