// SPDX-License-Identifier: Apache-2.0
import type { Writable } from "node:stream";
import type { Clock } from "../clock/clock.ts";
import { Chunk, type PageWriter } from "../prometheus/write/page_writer.ts";

/**
 * Bytes of a page that are sent at once: enough that the calls for each chunk cost little. A chunk is written in about
 * 30 µs.
 */
export const CHUNK_BYTES: number = 128 * 1024;
/** The longest time for which one pull writes before others get a turn, even if its client reads as fast as the agent writes. */
const SLICE_MS = 10;

/** A client that reads a page at its own pace. */
export interface Puller {
  readonly out: Writable;
  /** Aborts when the client has disconnected or was too slow, or when the agent must stop. */
  readonly signal: AbortSignal;
  /** Is called each time `out` has written bytes that were sent, which shows that the client reads. */
  onTaken(): void;
}

/**
 * Sends the bytes. Resolves when the caller may reuse their memory. When the signal aborts, rejects with its reason.
 */
export function send({ out, signal, onTaken }: Puller, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    out.write(bytes, (error) => {
      signal.removeEventListener("abort", abort);
      if (error !== null && error !== undefined) return reject(error);
      onTaken();
      resolve();
    });
  });
}

/**
 * Lets long pieces of work alternate: one goes on in each iteration of the event loop, so that other events are not
 * delayed.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];

  /** Resolves when it is the caller's turn. The caller may then work for `SLICE_MS`. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) setImmediate(() => this.#release());
    });
  }

  #release(): void {
    this.#waiting.shift()?.();
    if (this.#waiting.length > 0) setImmediate(() => this.#release());
  }
}

/**
 * Writes the page as fast as the puller reads it, through one chunk of memory. Rejects when the puller's signal aborts.
 */
export async function streamPage(
  writer: PageWriter,
  puller: Puller,
  { clock, turns }: { readonly clock: Clock; readonly turns: Turns },
): Promise<void> {
  const chunk = new Chunk(CHUNK_BYTES);
  let sliceMs = clock.monotonicMs();
  for (let length = writer.fill(chunk); length > 0; length = writer.fill(chunk)) {
    await send(puller, chunk.bytes.subarray(0, length));
    if (clock.monotonicMs() - sliceMs < SLICE_MS) continue;
    await turns.next();
    sliceMs = clock.monotonicMs();
  }
}
