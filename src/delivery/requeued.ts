// SPDX-License-Identifier: Apache-2.0
import {
  isWithin,
  minus,
  type PendingRequest,
  plus,
  type QueueSize,
  sizeOf,
  type TakeLimit,
  ZERO_SIZE,
} from "./queue.ts";

/** The part of a queue with requests that were requeued. They are older than all other requests in the queue. */
export class Requeued<R extends PendingRequest> {
  #requests: R[] = [];
  size: QueueSize = ZERO_SIZE;

  get oldestMs(): number | undefined {
    return this.#requests[0]?.addedMs;
  }

  add(requests: readonly R[]): void {
    for (const request of requests) this.size = plus(this.size, sizeOf(request));
    this.#requests = [...this.#requests, ...requests].sort((one, other) => one.sequence - other.sequence);
  }

  /** Takes the oldest requests, as many as the limit allows; at least one, unless none waits here. */
  take(limit: TakeLimit): R[] {
    let taken = ZERO_SIZE;
    let count = 0;
    for (const request of this.#requests) {
      const more = plus(taken, sizeOf(request));
      if (count > 0 && !isWithin(more, limit)) break;
      taken = more;
      count++;
    }
    this.size = minus(this.size, taken);
    return this.#requests.splice(0, count);
  }
}
