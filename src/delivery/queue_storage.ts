// SPDX-License-Identifier: Apache-2.0
import { OfferList, type Offers } from "../component/offers.ts";
import type { Single } from "../component/single.ts";
import type { QueueSize, RequestQueue } from "./queue.ts";

/** An extension that keeps queues, so that they outlive the process. */
export interface QueueStorage {
  /**
   * Opens the queue of this name, with the requests that an earlier process left in it. Throws an error with a message
   * for the user. The caller closes the queue. `onDamage` is called for each damaged record, with its size and its
   * place on disk.
   */
  openQueue(name: string, onDamage: (lost: QueueSize, where: string) => void): RequestQueue;
}

/** The storages of the agent's extensions, by the extensions' ids. */
export const QUEUE_STORAGES: Single<Offers<QueueStorage>> = {
  make: () => new OfferList(),
};
