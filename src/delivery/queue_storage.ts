// SPDX-License-Identifier: Apache-2.0
import { OfferList, type Offers } from "../component/offers.ts";
import type { Single } from "../component/single.ts";
import type { QueueSize, RequestQueue } from "./queue.ts";

/** Keeps queues so that they outlive the process. */
export interface QueueStorage {
  /** The queue of that name, with what is in it from earlier. Throws with words for the user. Closed by who opened it. */
  openQueue(name: string, onDamage: (lost: QueueSize, where: string) => void): RequestQueue;
}

/** The storages of the agent's extensions, by their ids. */
export const QUEUE_STORAGES: Single<Offers<QueueStorage>> = {
  name: "queue storages",
  make: () => new OfferList(),
};
