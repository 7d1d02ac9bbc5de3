// SPDX-License-Identifier: Apache-2.0
/** What a request draws on: those that no route gets have a budget of their own, and take nothing from pullers of the same address. */
export type Budget = "page" | "refused";

/** Clients that are told apart in one second; further ones share one account, so that a flood of addresses takes no memory. */
export const CLIENTS_MAX = 4_096;
const FURTHER_CLIENTS = "";

/**
 * Requests of each client in the present second, against a limit that each budget has of its own. Memory is of one second:
 * nothing is kept of a client that asks no more.
 */
export class Rates {
  readonly #perSecondMax: number;
  #second = 0;
  #clients = new Map<string, Record<Budget, number>>();

  constructor(perSecondMax: number) {
    this.#perSecondMax = perSecondMax;
  }

  /**
   * Whether the client may ask that in this second; if so, it is counted. `isFirst` says that its connection asks for the first
   * time in this second. Half of a page's budget is for those, so that a few connections cannot empty it for others of their address.
   */
  take(
    second: number,
    client: string,
    { budget, isFirst }: { readonly budget: Budget; readonly isFirst: boolean },
  ): boolean {
    if (second !== this.#second) this.#clients = new Map();
    this.#second = second;
    const counts = this.#countsOf(client);
    const max = budget === "refused" || isFirst ? this.#perSecondMax : Math.ceil(this.#perSecondMax / 2);
    if (counts[budget] >= max) return false;
    counts[budget]++;
    return true;
  }

  get clientCount(): number {
    return this.#clients.size;
  }

  #countsOf(client: string): Record<Budget, number> {
    const key = this.#clients.has(client) || this.#clients.size < CLIENTS_MAX ? client : FURTHER_CLIENTS;
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const counts = { page: 0, refused: 0 };
    this.#clients.set(key, counts);
    return counts;
  }
}
