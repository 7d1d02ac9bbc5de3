// SPDX-License-Identifier: Apache-2.0
import {
  isWithin,
  minus,
  NOTHING,
  plus,
  type Queued,
  type QueueSize,
  sizeOf,
  type TakeLimit,
} from "./queue.ts";

/** Requests that were taken from a queue and put back, in their order: they go before everything else. */
export class PutBack<R extends Queued> {
  #requests: R[] = [];
  size: QueueSize = NOTHING;

  get oldestMs(): number | undefined {
    return this.#requests[0]?.addedMs;
  }

  add(requests: readonly R[]): void {
    for (const request of requests) this.size = plus(this.size, sizeOf(request));
    this.#requests = [...this.#requests, ...requests].sort((one, other) => one.sequence - other.sequence);
  }

  /** Takes the oldest, as many as the limit allows; at least one where there is one. */
  take(limit: TakeLimit): R[] {
    let taken = NOTHING;
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
