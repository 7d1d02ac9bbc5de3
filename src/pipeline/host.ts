import type { Host, Offers } from "../component/component.ts";
import { Listeners } from "../http/listeners.ts";

/** What the components of one agent share, at its beginning. */
export function createHost(): Host {
  return {
    listeners: new Listeners(),
    pages: new OfferMap(),
    sandboxes: new OfferMap(),
    storages: new OfferMap(),
  };
}

class OfferMap<T> implements Offers<T> {
  readonly #offers = new Map<string, T>();

  add(id: string, offer: T): () => void {
    this.#offers.set(id, offer);
    return () => {
      if (this.#offers.get(id) === offer) this.#offers.delete(id);
    };
  }

  all(): Iterable<readonly [string, T]> {
    return this.#offers;
  }
}
