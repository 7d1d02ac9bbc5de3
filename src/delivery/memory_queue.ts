// SPDX-License-Identifier: Apache-2.0
import { PutBack } from "./put_back.ts";
import {
  isWithin,
  minus,
  NOTHING,
  type Outgoing,
  plus,
  type Queued,
  type QueueSize,
  type RequestQueue,
  sizeOf,
  sizeOfAll,
  type TakeLimit,
} from "./queue.ts";

/** Places in front of the list that are empty are closed up when there are so many, and more of them than requests. */
const EMPTY_MIN = 256;

/** A queue that ends with the process. It holds no request that it no longer counts. */
export class MemoryQueue implements RequestQueue {
  readonly hasSpace = true;
  readonly #putBack = new PutBack<Queued>();
  #list: (Queued | undefined)[] = [];
  /** The place of the oldest in the list. */
  #first = 0;
  #sequence = 0;
  #listed: QueueSize = NOTHING;
  size: QueueSize = NOTHING;

  get waiting(): QueueSize {
    return plus(this.#putBack.size, this.#listed);
  }

  get oldestMs(): number | undefined {
    return this.#putBack.oldestMs ?? this.#list[this.#first]?.addedMs;
  }

  add({ bytes, points, source }: Outgoing, nowMs: number): undefined {
    const request: Queued = { bytes, points, sequence: ++this.#sequence, addedMs: nowMs, source };
    this.#list.push(request);
    const size = sizeOf(request);
    this.size = plus(this.size, size);
    this.#listed = plus(this.#listed, size);
  }

  take(limit: TakeLimit): readonly Queued[] {
    const taken = this.#putBack.take(limit);
    // What is left there is older than all of the list.
    if (this.#putBack.size.requests > 0) return taken;
    let size = sizeOfAll(taken);
    for (let next = this.#list[this.#first]; next !== undefined; next = this.#list[this.#first]) {
      const more = plus(size, sizeOf(next));
      if (taken.length > 0 && !isWithin(more, limit)) break;
      taken.push(next);
      this.#listed = minus(this.#listed, sizeOf(next));
      size = more;
      // The list must not keep it: it is the sender's now, and garbage as soon as it is delivered.
      this.#list[this.#first++] = undefined;
    }
    this.#closeUp();
    return taken;
  }

  putBack(requests: readonly Queued[]): void {
    this.#putBack.add(requests);
  }

  settle(requests: readonly Queued[]): void {
    this.size = minus(this.size, sizeOfAll(requests));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #closeUp(): void {
    const isEmpty = this.#first === this.#list.length;
    if (!isEmpty && (this.#first < EMPTY_MIN || this.#first * 2 < this.#list.length)) return;
    this.#list = this.#list.slice(this.#first);
    this.#first = 0;
  }
}
