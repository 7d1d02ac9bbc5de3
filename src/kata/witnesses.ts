// SPDX-License-Identifier: Apache-2.0
import { OfferList, type Offers } from "../component/offers.ts";
import type { Single } from "../component/single.ts";
import type { PodName } from "./sandboxes.ts";

/** What one client of the container runtime knows about sandboxes. It adds no sandbox and removes none. */
export interface RuntimeWitness {
  /**
   * The sandbox's pod, for every sandbox that the runtime has listed: from then until the sandbox ends, also when the
   * runtime no longer lists it.
   */
  podOf(sandboxId: string): PodName | undefined;
  /** Whether the runtime's last answer lists the sandbox; undefined while no runtime answers. */
  lists(sandboxId: string): boolean | undefined;
  /**
   * Why a receiver is blind, in words for the user: ready Kata pods have had no directory under any receiver's roots for
   * two minutes. Undefined where none lacks one.
   */
  readonly missingPods: string | undefined;
}

/** All clients of container runtimes of the agent, and what they say together. */
export class Witnesses implements Offers<RuntimeWitness> {
  readonly #offers = new OfferList<RuntimeWitness>();

  add(id: string, witness: RuntimeWitness): () => void {
    return this.#offers.add(id, witness);
  }

  get(id: string): RuntimeWitness | undefined {
    return this.#offers.get(id);
  }

  all(): Iterable<readonly [string, RuntimeWitness]> {
    return this.#offers.all();
  }

  /** The pod by the first witness that knows it. */
  podOf(sandboxId: string): PodName | undefined {
    for (const [, witness] of this.all()) {
      const pod = witness.podOf(sandboxId);
      if (pod !== undefined) return pod;
    }
    return undefined;
  }

  /** Why the receivers are blind, by all witnesses; undefined where none says so. */
  get missingPods(): string | undefined {
    const texts = new Set(Array.from(this.all(), ([, { missingPods }]) => missingPods));
    texts.delete(undefined);
    return texts.size === 0 ? undefined : [...texts].join("; ");
  }

  /** True where any witness lists the sandbox, false where one answers and none lists it, undefined where none answers. */
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

/** The witnesses of one agent. */
export const WITNESSES: Single<Witnesses> = { name: "witnesses", make: () => new Witnesses() };
