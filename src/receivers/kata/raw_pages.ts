// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../clock/clock.ts";
import type { RawPage } from "../../kata/sandboxes.ts";
import type { Sandbox } from "./sandbox/sandbox.ts";

/** The number of sandboxes whose raw pages may be requested or kept at one time. */
const PAGES_MAX = 4;
/**
 * The most bytes of all raw pages that are kept. A page that would exceed this is not kept, and its request is
 * rejected.
 */
const BYTES_MAX = 16 * 1024 ** 2;

/** A page that somebody has requested. */
interface PageRequest {
  readonly next: PromiseWithResolvers<void>;
  /** The page of the sandbox's next scrape after the request; undefined until that scrape has received it. */
  page: { readonly bytes: Buffer; readonly atMs: number } | undefined;
}

/**
 * Gives the bytes of pages as scrapes receive them, for people who want to see them. No shim is asked for this: a request
 * waits for the sandbox's next scrape, whose page is then kept for an interval. Bounded in number and in memory.
 */
export class RawPages {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #requests = new Map<Sandbox, PageRequest>();

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  /**
   * Resolves with the page of the sandbox's next scrape, or at once with a page that is kept from an earlier request.
   * Rejects if too many sandboxes have requests already, or if the scrape gives no page.
   */
  async page(sandbox: Sandbox): Promise<RawPage> {
    this.dropOld();
    let request = this.#requests.get(sandbox);
    if (request === undefined) {
      if (this.#requests.size >= PAGES_MAX)
        throw new Error(`raw pages of ${PAGES_MAX} sandboxes at one time are the limit; come again`);
      request = { next: Promise.withResolvers(), page: undefined };
      request.next.promise.catch(() => {});
      this.#requests.set(sandbox, request);
    }
    await request.next.promise;
    if (request.page === undefined) throw new Error("BUG: raw page is not there");
    const { bytes, atMs } = request.page;
    return { bytes, ageMs: this.#clock.monotonicMs() - atMs };
  }

  /** Copies the page that a scrape has received, if somebody waits for it. */
  offer(sandbox: Sandbox, page: Buffer, length: number): void {
    const request = this.#requests.get(sandbox);
    if (request === undefined) return;
    if (request.page !== undefined) {
      // The kept page is dropped, since it is no longer the latest one. Nobody waits for the new page: the kept one
      // was the answer to all requests so far.
      this.#requests.delete(sandbox);
    } else if (this.#bytes() + length > BYTES_MAX) {
      this.refuse(sandbox, `no memory left: raw pages may take ${BYTES_MAX} bytes together`);
    } else {
      request.page = { bytes: Buffer.from(page.subarray(0, length)), atMs: this.#clock.monotonicMs() };
      request.next.resolve();
    }
  }

  /** Rejects the requests for the sandbox's page, and drops a page that is kept. */
  refuse(sandbox: Sandbox, reason: string): void {
    const request = this.#requests.get(sandbox);
    if (request === undefined) return;
    this.#requests.delete(sandbox);
    request.next.reject(new Error(reason));
  }

  /** Drops pages that are older than an interval. */
  dropOld(): void {
    const oldestMs = this.#clock.monotonicMs() - this.#intervalMs;
    for (const [sandbox, { page }] of this.#requests)
      if (page !== undefined && page.atMs <= oldestMs) this.#requests.delete(sandbox);
  }

  /** Rejects all requests, and drops all pages. */
  close(): void {
    for (const sandbox of [...this.#requests.keys()]) this.refuse(sandbox, "the agent or its receiver stops");
  }

  #bytes(): number {
    let bytes = 0;
    for (const { page } of this.#requests.values()) bytes += page?.bytes.length ?? 0;
    return bytes;
  }
}
