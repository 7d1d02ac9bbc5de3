// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import type { Clock } from "../../clock/clock.ts";
import { messageOf } from "../../text/error_text.ts";
import type { Comparison } from "./bcrypt_worker.ts";

/** What does the comparisons: a worker thread, or in tests what stands for it. */
export interface BcryptWorker {
  postMessage(comparison: Comparison): void;
  /** "message" comes with a boolean for each comparison, "error" with an Error, and "exit" when it is gone. */
  on(event: "message" | "error" | "exit", listener: (value: unknown) => void): unknown;
  terminate(): Promise<unknown>;
  unref(): void;
}

export interface BcryptQueueOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  start(): BcryptWorker;
}

interface Job {
  readonly comparison: Comparison;
  readonly done: Promise<boolean | undefined>;
  end(result: boolean | undefined): void;
}

/** Peers that wait for a comparison; those of more are told to come again. */
const WAITING_MAX = 16;
/** From the begin of one comparison to that of the next: ten a second at most, however cheap they are. */
const SPACING_MS = 100;
/** A thread without work ends after so long, and gives its memory back. */
const IDLE_MS = 60_000;

/**
 * Comparisons of passwords with bcrypt hashes: one at a time, on another thread. A peer has one that waits or is being
 * done, so that a flood of one peer's wrong passwords keeps another's right one waiting for a single comparison.
 */
export class BcryptQueue {
  readonly #options: BcryptQueueOptions;
  /** By peer, in their order. The first is being done, unless `#cancelNext` waits to begin it. */
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

  /** Whether password and hash belong together; undefined where there is no job for it now. Never rejects. */
  async compare(peer: string, comparison: Comparison): Promise<boolean | undefined> {
    const own = this.#queue.get(peer);
    // A puller with several connections comes with the same password on each.
    if (own !== undefined) return isSame(own.comparison, comparison) ? await own.done : undefined;
    if (this.#isClosed || this.#queue.size >= WAITING_MAX) return undefined;
    const { promise, resolve } = Promise.withResolvers<boolean | undefined>();
    this.#queue.set(peer, { comparison, done: promise, end: resolve });
    if (this.#queue.size === 1) this.#next();
    return await promise;
  }

  /** Those that wait hear that there is no job for them. */
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
    // The agent's end does not wait for it.
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

  /** The worker is gone: whoever it worked for is told to come again, and the next one gets a new worker. */
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
