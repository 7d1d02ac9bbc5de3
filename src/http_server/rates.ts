// SPDX-License-Identifier: Apache-2.0
/**
 * The budget that a request is counted in. Requests that no route answers have the budget "refused", so that they do
 * not use up the budget "page" of a puller with the same address.
 */
export type Budget = "page" | "refused";

/**
 * Clients that are counted separately within one second. Further clients share one count, so that a flood of addresses
 * uses no more memory.
 */
export const CLIENTS_MAX = 4_096;
const FURTHER_CLIENTS = "";

/**
 * Counts the requests of each client in the current second, separately for each budget. The limit applies to each of these
 * counts alone. All are dropped when the next second begins.
 */
export class Rates {
  readonly #perSecondMax: number;
  #second = 0;
  #clients = new Map<string, Record<Budget, number>>();

  constructor(perSecondMax: number) {
    this.#perSecondMax = perSecondMax;
  }

  /**
   * Counts the request and returns true, or returns false where the client has used up the budget. `isFirst` is true
   * for the first request of a connection in this second. Half of the budget "page" is kept for such requests, so that
   * a few busy connections cannot use up the budget of others from the same address.
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
