// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "pino";
import type { Clock } from "../../clock/clock.ts";
import { messageOf } from "../../text/error_text.ts";
import type { Comparison } from "./bcrypt_worker.ts";

/** The thread that does the comparisons, or a fake one in tests. */
export interface BcryptWorker {
  postMessage(comparison: Comparison): void;
  /**
   * The event "message" has a boolean for each comparison, "error" has an Error, and "exit" says that the thread has
   * ended.
   */
  on(event: "message" | "error" | "exit", listener: (value: unknown) => void): unknown;
  terminate(): Promise<unknown>;
  unref(): void;
}

/** The options of a `BcryptQueue`. */
export interface BcryptQueueOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Starts a thread. */
  start(): BcryptWorker;
}

/** A comparison that waits or is being made. */
interface Job {
  readonly comparison: Comparison;
  readonly done: Promise<boolean | undefined>;
  end(result: boolean | undefined): void;
}

/**
 * The most peers that may have a comparison in the queue. For a further peer `compare` resolves to undefined, and the
 * peer gets a 429.
 */
const WAITING_MAX = 16;
/** The shortest time between the beginnings of two comparisons: at most ten a second, however cheap they are. */
const SPACING_MS = 100;
/** A thread without work ends after this time, which frees its memory. */
const IDLE_MS = 60_000;

/**
 * A queue of comparisons of passwords with bcrypt hashes, which another thread makes one at a time. Each peer has at
 * most one comparison in the queue, so a flood of wrong passwords from one peer delays another peer by one comparison
 * only.
 */
export class BcryptQueue {
  readonly #options: BcryptQueueOptions;
  /** The comparisons by peer, the oldest first. The first one is being made, or begins when `SPACING_MS` is over. */
  readonly #queue = new Map<string, Job>();
  #worker: BcryptWorker | undefined;
  #isBusy = false;
  #beganMs = Number.NEGATIVE_INFINITY;
  #cancelNext: () => void = () => {};
  #cancelIdle: () => void = () => {};
  #isClosed = false;

  constructor(options: BcryptQueueOptions) {
    this.#options = options;
  }

  /**
   * Resolves to whether the password has the hash, or to undefined if the two were not compared: the queue is full or
   * closed, the peer already waits for another comparison, or the thread failed. Never rejects.
   */
  async compare(peer: string, comparison: Comparison): Promise<boolean | undefined> {
    const own = this.#queue.get(peer);
    // A puller with several connections sends the same password on each of them, and gets one result for all.
    if (own !== undefined) return isSame(own.comparison, comparison) ? await own.done : undefined;
    if (this.#isClosed || this.#queue.size >= WAITING_MAX) return undefined;
    const { promise, resolve } = Promise.withResolvers<boolean | undefined>();
    this.#queue.set(peer, { comparison, done: promise, end: resolve });
    if (this.#queue.size === 1) this.#next();
    return await promise;
  }

  /** Ends the thread. Comparisons that wait resolve to undefined. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelNext();
    for (const { end } of this.#queue.values()) end(undefined);
    this.#queue.clear();
    await this.#stop();
  }

  #next(): void {
    const { clock } = this.#options;
    this.#cancelNext();
    this.#cancelIdle();
    const [job] = this.#queue.values();
    if (job === undefined) {
      this.#cancelIdle = clock.after(IDLE_MS, () => void this.#stop());
      return;
    }
    const waitMs = this.#beganMs + SPACING_MS - clock.monotonicMs();
    if (waitMs > 0) {
      this.#cancelNext = clock.after(waitMs, () => this.#begin(job));
      return;
    }
    this.#begin(job);
  }

  #begin({ comparison }: Job): void {
    this.#beganMs = this.#options.clock.monotonicMs();
    this.#isBusy = true;
    try {
      this.#worker ??= this.#start();
      this.#worker.postMessage(comparison);
    } catch (error) {
      this.#logFailure(error);
      this.#end(this.#worker, undefined);
    }
  }

  #start(): BcryptWorker {
    const worker = this.#options.start();
    // Without `unref`, a thread without work would keep the process from ending.
    worker.unref();
    worker.on("message", (result) => this.#end(worker, result === true));
    worker.on("error", (error) => {
      this.#logFailure(error);
      this.#fail(worker);
    });
    worker.on("exit", () => this.#fail(worker));
    return worker;
  }

  #logFailure(cause: unknown): void {
    const error = messageOf(cause);
    this.#options.logger.error({ error }, "A password cannot be checked; a new thread is tried.");
  }

  /** Forgets a worker that has ended. Its comparison resolves to undefined, and the next one gets a new worker. */
  #fail(worker: BcryptWorker): void {
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    if (this.#isBusy) this.#end(undefined, undefined);
  }

  #end(worker: BcryptWorker | undefined, result: boolean | undefined): void {
    if (worker !== this.#worker) return;
    this.#isBusy = false;
    for (const [peer, { end }] of this.#queue) {
      this.#queue.delete(peer);
      end(result);
      break;
    }
    this.#next();
  }

  async #stop(): Promise<void> {
    this.#cancelIdle();
    const worker = this.#worker;
    this.#worker = undefined;
    this.#isBusy = false;
    await worker?.terminate();
  }
}

function isSame(one: Comparison, other: Comparison): boolean {
  return one.password === other.password && one.hash === other.hash;
}
