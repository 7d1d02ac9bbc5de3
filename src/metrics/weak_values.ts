// SPDX-License-Identifier: Apache-2.0
/** A map that does not keep its values alive. A key is dropped when its value has been garbage collected. */
export class WeakValues<T extends object> {
  readonly #refs = new Map<string, WeakRef<T>>();
  readonly #gone = new FinalizationRegistry<string>((key) => {
    // Another value may have been set for the key between the collection of the old one and this call.
    if (this.#refs.get(key)?.deref() === undefined) this.#refs.delete(key);
  });

  /** The number of values that were alive at the last garbage collection, or are new since then. */
  get size(): number {
    return this.#refs.size;
  }

  get(key: string): T | undefined {
    return this.#refs.get(key)?.deref();
  }

  set(key: string, value: T): void {
    this.#refs.set(key, new WeakRef(value));
    this.#gone.register(value, key);
  }
}
