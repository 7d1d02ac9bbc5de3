import { type Clock, systemClock } from "../clock/clock.ts";
import type { Host, ReloadControl } from "../component/component.ts";
import type { Offers } from "../component/offers.ts";
import type { PodName, RuntimeWitness, Witnesses } from "../component/sandboxes.ts";
import { Listeners } from "../http/listeners.ts";
import { ConcealedTexts } from "../text/concealed.ts";
import { StatusBoard } from "./statuses.ts";

/** What the components of one agent share, at its beginning. */
export function createHost(
  clock: Clock = systemClock,
  reload: ReloadControl | undefined = undefined,
  concealed: ConcealedTexts = new ConcealedTexts(),
): Host & { readonly statuses: StatusBoard } {
  return {
    authenticators: new OfferMap(),
    listeners: new Listeners(),
    pages: new OfferMap(),
    sandboxes: new OfferMap(),
    serverAuthenticators: new OfferMap(),
    storages: new OfferMap(),
    statuses: new StatusBoard(clock, concealed),
    witnesses: new WitnessMap(),
    reload,
  };
}

/** One id may be offered twice: by the instances of a processor in two pipelines, or by both sides of an exchange. */
class OfferMap<T> implements Offers<T> {
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

class WitnessMap implements Witnesses {
  readonly #offers = new OfferMap<RuntimeWitness>();

  add(id: string, witness: RuntimeWitness): () => void {
    return this.#offers.add(id, witness);
  }

  get(id: string): RuntimeWitness | undefined {
    return this.#offers.get(id);
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

  get missingPods(): string | undefined {
    const texts = new Set(Array.from(this.all(), ([, { missingPods }]) => missingPods));
    texts.delete(undefined);
    return texts.size === 0 ? undefined : [...texts].join("; ");
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
