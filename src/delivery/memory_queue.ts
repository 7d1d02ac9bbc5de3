import {
  isWithin,
  minus,
  NOTHING,
  type Outgoing,
  plus,
  type QueueSize,
  type RequestQueue,
  sizeOf,
  type TakeLimit,
  type Taken,
} from "./queue.ts";

interface Waiting extends Outgoing {
  readonly addedMs: number;
}

/** Gone places in front of the list are closed up when there are so many, and more of them than requests. */
const GONE_MIN = 1_024;

/** A queue that ends with the process. */
export class MemoryQueue implements RequestQueue {
  #list: Waiting[] = [];
  /** Where in the list the oldest stands. */
  #first = 0;
  size: QueueSize = NOTHING;
  waiting: QueueSize = NOTHING;

  get oldestMs(): number | undefined {
    return this.#list[this.#first]?.addedMs;
  }

  add(request: Outgoing, nowMs: number): undefined {
    this.#list.push({ ...request, addedMs: nowMs });
    const size = sizeOf(request);
    this.size = plus(this.size, size);
    this.waiting = plus(this.waiting, size);
  }

  take(limit: TakeLimit): Taken | undefined {
    const taken: Uint8Array[] = [];
    const sources: string[] = [];
    let size = NOTHING;
    let latestMs = 0;
    for (let next = this.#list[this.#first]; next !== undefined; next = this.#list[this.#first]) {
      const more = plus(size, sizeOf(next));
      if (taken.length > 0 && !isWithin(more, limit)) break;
      taken.push(next.bytes);
      if (next.source !== undefined) sources.push(next.source);
      size = more;
      latestMs = next.addedMs;
      this.#first++;
    }
    const [only] = taken;
    if (only === undefined) return undefined;
    this.waiting = minus(this.waiting, size);
    if (this.#first >= GONE_MIN && this.#first * 2 > this.#list.length) {
      this.#list = this.#list.slice(this.#first);
      this.#first = 0;
    }
    return { bytes: taken.length === 1 ? only : Buffer.concat(taken), size, latestMs, sources };
  }

  settle({ size }: Taken): void {
    this.size = minus(this.size, size);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
