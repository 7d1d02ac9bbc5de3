// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../clock/clock.ts";
import type { RawPage } from "../../kata/sandboxes.ts";
import type { Sandbox } from "./sandbox/sandbox.ts";

/** Sandboxes whose raw pages are waited for or kept at one time. */
const PAGES_MAX = 4;
/** What the pages that are kept take together. */
const BYTES_MAX = 16 * 1024 ** 2;

/** A page that somebody wants. */
interface Wanted {
  readonly next: PromiseWithResolvers<void>;
  /** Undefined until the next scrape. */
  page: { readonly bytes: Buffer; readonly atMs: number } | undefined;
}

/**
 * The bytes of pages as scrapes receive them, for who wants to see them. No shim is asked for it: whoever comes waits for
 * the next scrape, and its page is kept for an interval. Bounded in number and in memory.
 */
export class RawPages {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #wanted = new Map<Sandbox, Wanted>();

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  /** The page of the sandbox's next scrape, or of one within the last interval. Rejects where there is no room or no page. */
  async page(sandbox: Sandbox): Promise<RawPage> {
    this.forgetOld();
    let wanted = this.#wanted.get(sandbox);
    if (wanted === undefined) {
      if (this.#wanted.size >= PAGES_MAX)
        throw new Error(`raw pages of ${PAGES_MAX} sandboxes at one time are the limit; come again`);
      wanted = { next: Promise.withResolvers(), page: undefined };
      wanted.next.promise.catch(() => {});
      this.#wanted.set(sandbox, wanted);
    }
    await wanted.next.promise;
    if (wanted.page === undefined) throw new Error("BUG: raw page is not there");
    const { bytes, atMs } = wanted.page;
    return { bytes, ageMs: this.#clock.monotonicMs() - atMs };
  }

  /** Takes what a scrape has received, if somebody waits for it. The bytes are copied. */
  offer(sandbox: Sandbox, page: Buffer, length: number): void {
    const wanted = this.#wanted.get(sandbox);
    if (wanted === undefined) return;
    if (wanted.page !== undefined) {
      // A newer scrape has been made, for which nobody waits.
      this.#wanted.delete(sandbox);
    } else if (this.#bytes() + length > BYTES_MAX) {
      this.refuse(sandbox, `no memory left: raw pages may take ${BYTES_MAX} bytes together`);
    } else {
      wanted.page = { bytes: Buffer.from(page.subarray(0, length)), atMs: this.#clock.monotonicMs() };
      wanted.next.resolve();
    }
  }

  /** Tells who waits that there is no page. */
  refuse(sandbox: Sandbox, reason: string): void {
    const wanted = this.#wanted.get(sandbox);
    if (wanted === undefined) return;
    this.#wanted.delete(sandbox);
    wanted.next.reject(new Error(reason));
  }

  /** Forgets pages that are older than an interval. */
  forgetOld(): void {
    const oldestMs = this.#clock.monotonicMs() - this.#intervalMs;
    for (const [sandbox, { page }] of this.#wanted)
      if (page !== undefined && page.atMs <= oldestMs) this.#wanted.delete(sandbox);
  }

  /** Tells all who wait that no page will come. */
  close(): void {
    for (const sandbox of [...this.#wanted.keys()]) this.refuse(sandbox, "the agent or its receiver stops");
  }

  #bytes(): number {
    let bytes = 0;
    for (const { page } of this.#wanted.values()) bytes += page?.bytes.length ?? 0;
    return bytes;
  }
}
