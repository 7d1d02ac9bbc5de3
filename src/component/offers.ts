// SPDX-License-Identifier: Apache-2.0
/** Things that components offer to each other by their ids, outside of the pipelines, such as pages or storages. */
export interface Offers<T> {
  /**
   * Adds an offer, which hides earlier offers with the same id until it is withdrawn. Returns the function that
   * withdraws the offer. A second call of that function does nothing.
   */
  add(id: string, offer: T): () => void;
  /** Returns the latest offer with that id, or undefined if there is none. */
  get(id: string): T | undefined;
  /** Returns the latest offer of each id. */
  all(): Iterable<readonly [id: string, offer: T]>;
}

/**
 * A list of offers. Two offers may have the same id: those of a processor's instances in two pipelines, or those of an old
 * and a new component while a reload exchanges them.
 */
export class OfferList<T> implements Offers<T> {
  /** All offers, in the order in which they were added. */
  readonly #offers = new Set<{ readonly id: string; readonly offer: T }>();
  /** The latest offer of each id. */
  #latest: ReadonlyMap<string, T> = new Map();

  add(id: string, offer: T): () => void {
    const one = { id, offer };
    this.#offers.add(one);
    this.#update();
    return () => {
      if (this.#offers.delete(one)) this.#update();
    };
  }

  get(id: string): T | undefined {
    return this.#latest.get(id);
  }

  all(): Iterable<readonly [string, T]> {
    return this.#latest;
  }

  #update(): void {
    this.#latest = new Map(Array.from(this.#offers, ({ id, offer }) => [id, offer]));
  }
}
