// SPDX-License-Identifier: Apache-2.0
import { OfferList, type Offers } from "../component/offers.ts";
import type { Single } from "../component/single.ts";
import type { PodName } from "./sandboxes.ts";

/** Gives what one client of the container runtime knows about sandboxes. It adds no sandbox and removes none. */
export interface RuntimeWitness {
  /**
   * Returns the sandbox's pod; undefined if the runtime has never listed the sandbox. The pod stays known until the sandbox
   * ends, also if the runtime stops listing it before.
   */
  podOf(sandboxId: string): PodName | undefined;
  /** Returns whether the runtime's last answer lists the sandbox; undefined while the runtime does not answer. */
  lists(sandboxId: string): boolean | undefined;
  /**
   * A text for the user that names ready Kata pods that have had no directory under any receiver's roots for two
   * minutes, so that nothing scrapes them. Undefined if there are none.
   */
  readonly missingPods: string | undefined;
}

/** The agent's clients of container runtimes, and their joint answers. */
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

  /** Returns the sandbox's pod from the first witness that knows it; undefined if none does. */
  podOf(sandboxId: string): PodName | undefined {
    for (const [, witness] of this.all()) {
      const pod = witness.podOf(sandboxId);
      if (pod !== undefined) return pod;
    }
    return undefined;
  }

  /** The texts of all witnesses about pods that no receiver sees; undefined if there are none. */
  get missingPods(): string | undefined {
    const texts = new Set(Array.from(this.all(), ([, { missingPods }]) => missingPods));
    texts.delete(undefined);
    return texts.size === 0 ? undefined : [...texts].join("; ");
  }

  /**
   * Returns true if a witness lists the sandbox, false if a witness answers and none lists it, undefined if no witness
   * answers.
   */
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

/** The key by which `host.single` gives the agent's witnesses. */
export const WITNESSES: Single<Witnesses> = { make: () => new Witnesses() };
