import { type Clock, systemClock } from "../clock/clock.ts";
import type { Host, ReloadControl } from "../component/component.ts";
import type { Offers } from "../component/offers.ts";
import type { PodName, RuntimeWitness, Witnesses } from "../component/sandboxes.ts";
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
    witnesses: new WitnessMap(),
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

class WitnessMap implements Witnesses {
  readonly #offers = new OfferMap<RuntimeWitness>();

  add(id: string, witness: RuntimeWitness): () => void {
    return this.#offers.add(id, witness);
  }

  all(): Iterable<readonly [string, RuntimeWitness]> {
    return this.#offers.all();
  }

  podOf(sandboxId: string): PodName | undefined {
    for (const [, witness] of this.all()) {
      const pod = witness.podOf(sandboxId);
      if (pod !== undefined) return pod;
    }
    return undefined;
  }

  isListed(sandboxId: string): boolean | undefined {
    let listed: boolean | undefined;
    for (const [, witness] of this.all()) {
      const answer = witness.lists(sandboxId);
      if (answer === true) return true;
      listed ??= answer;
    }
    return listed;
  }
}
