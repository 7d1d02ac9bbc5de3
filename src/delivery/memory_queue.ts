// SPDX-License-Identifier: Apache-2.0
import {
  type EncodedRequest,
  isWithin,
  minus,
  type PendingRequest,
  plus,
  type QueueSize,
  type RequestQueue,
  sizeOf,
  sizeOfAll,
  type TakeLimit,
  ZERO_SIZE,
} from "./queue.ts";
import { Requeued } from "./requeued.ts";

/** Empty slots at the front of the list are cut off when they are at least this many and at least half of the list. */
const EMPTY_SLOTS_MIN = 256;

/** A queue in memory, which ends with the process. */
export class MemoryQueue implements RequestQueue {
  readonly hasSpace = true;
  readonly #requeued = new Requeued<PendingRequest>();
  /** First the empty slots of requests that were taken, then the requests that were never taken. */
  #list: (PendingRequest | undefined)[] = [];
  /** The index of the oldest request in `#list`; all slots before it are empty. */
  #first = 0;
  #sequence = 0;
  #listed: QueueSize = ZERO_SIZE;
  size: QueueSize = ZERO_SIZE;

  get waiting(): QueueSize {
    return plus(this.#requeued.size, this.#listed);
  }

  get oldestMs(): number | undefined {
    return this.#requeued.oldestMs ?? this.#list[this.#first]?.addedMs;
  }

  add({ bytes, points, source }: EncodedRequest, nowMs: number): undefined {
    const request: PendingRequest = { bytes, points, sequence: ++this.#sequence, addedMs: nowMs, source };
    this.#list.push(request);
    const size = sizeOf(request);
    this.size = plus(this.size, size);
    this.#listed = plus(this.#listed, size);
  }

  take(limit: TakeLimit): readonly PendingRequest[] {
    const taken = this.#requeued.take(limit);
    // If requeued requests still wait, they exceed the limit. All requests in the list are newer: none is taken.
    if (this.#requeued.size.requests > 0) return taken;
    let size = sizeOfAll(taken);
    for (let next = this.#list[this.#first]; next !== undefined; next = this.#list[this.#first]) {
      const more = plus(size, sizeOf(next));
      if (taken.length > 0 && !isWithin(more, limit)) break;
      taken.push(next);
      this.#listed = minus(this.#listed, sizeOf(next));
      size = more;
      // If the list kept the request, its memory would not be freed when it has been delivered.
      this.#list[this.#first++] = undefined;
    }
    this.#cutEmptySlots();
    return taken;
  }

  requeue(requests: readonly PendingRequest[]): void {
    this.#requeued.add(requests);
  }

  acknowledge(requests: readonly PendingRequest[]): void {
    this.size = minus(this.size, sizeOfAll(requests));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #cutEmptySlots(): void {
    const isEmpty = this.#first === this.#list.length;
    if (!isEmpty && (this.#first < EMPTY_SLOTS_MIN || this.#first * 2 < this.#list.length)) return;
    this.#list = this.#list.slice(this.#first);
    this.#first = 0;
  }
}
