import { type Clock, systemClock } from "../clock/clock.ts";
import type { Host, Offers, ReloadControl } from "../component/component.ts";
import { Listeners } from "../http/listeners.ts";
import { StatusBoard } from "./statuses.ts";

/** What the components of one agent share, at its beginning. */
export function createHost(
  clock: Clock = systemClock,
  reload: ReloadControl | undefined = undefined,
): Host & { readonly statuses: StatusBoard } {
  return {
    authenticators: new OfferMap(),
    listeners: new Listeners(),
    pages: new OfferMap(),
    sandboxes: new OfferMap(),
    storages: new OfferMap(),
    statuses: new StatusBoard(clock),
    reload,
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
