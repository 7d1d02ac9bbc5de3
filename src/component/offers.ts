// SPDX-License-Identifier: Apache-2.0
/** What components offer each other by id, beside the pipelines. */
export interface Offers<T> {
  /** Takes the place of an earlier offer of the same id for as long as it lasts. Returns what takes it back. */
  add(id: string, offer: T): () => void;
  get(id: string): T | undefined;
  all(): Iterable<readonly [id: string, offer: T]>;
}

/** One id may be offered twice: by the instances of a processor in two pipelines, or by both sides of an exchange. */
export class OfferList<T> implements Offers<T> {
  /** In the order in which they came. */
  readonly #offers = new Set<{ readonly id: string; readonly offer: T }>();
  /** The last offer of each id. */
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
