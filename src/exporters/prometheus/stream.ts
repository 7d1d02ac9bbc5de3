import { once } from "node:events";
import type { Writable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { constants, createGzip } from "node:zlib";
import { createLiteral, type Literal } from "../../prometheus/literal.ts";
import type { TextFormat } from "../../prometheus/text.ts";
import { PageWriter } from "../../prometheus/write.ts";
import type { Snapshot } from "./page.ts";

/** Large enough that calls per chunk cost little, small enough that writing one takes under a millisecond. */
const CHUNK_BYTES = 256 * 1024;

const END: Readonly<Record<TextFormat, Literal | undefined>> = {
  text: undefined,
  openmetrics: createLiteral("# EOF\n"),
};

/**
 * Writes the page to a puller, chunk by chunk at the puller's pace, with a turn of the event loop between two chunks.
 * Rejects when `signal` aborts.
 */
export async function streamPlain(
  snapshot: Snapshot,
  format: TextFormat,
  to: { out: Writable; signal: AbortSignal },
): Promise<void> {
  const { out, signal } = to;
  const writer = new PageWriter(snapshot.families, END[format]);
  for (;;) {
    signal.throwIfAborted();
    // The socket may still hold the last chunk, so each has its own memory.
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    const length = writer.fill(chunk);
    if (length === 0) return;
    if (out.write(chunk.subarray(0, length))) await nextTurn();
    else await once(out, "drain", { signal });
  }
}

/** A page being compressed, or compressed: pullers of the same state share it. */
export class GzipJob {
  readonly #chunks: Buffer[] = [];
  #done = false;
  #failure: Error | undefined;
  #more = Promise.withResolvers<void>();
  /** Resolves when the whole page is compressed. */
  readonly finished: Promise<void>;

  constructor(snapshot: Snapshot, format: TextFormat) {
    this.finished = this.#run(snapshot, format);
  }

  /** Writes the compressed page to a puller: what is there, then what comes. */
  async streamTo(out: Writable, signal: AbortSignal): Promise<void> {
    for (let next = 0; ; ) {
      signal.throwIfAborted();
      const chunk = this.#chunks[next];
      if (chunk !== undefined) {
        next++;
        if (!out.write(chunk)) await once(out, "drain", { signal });
      } else if (this.#failure !== undefined) throw this.#failure;
      else if (this.#done) return;
      else await this.#more.promise;
    }
  }

  #wake(): void {
    const { resolve } = this.#more;
    this.#more = Promise.withResolvers();
    resolve();
  }

  /** zlib compresses in its own threads; the first level, since lines in this order compress well at any. */
  async #run(snapshot: Snapshot, format: TextFormat): Promise<void> {
    const gzip = createGzip({
      level: constants.Z_BEST_SPEED,
      chunkSize: 64 * 1024,
    });
    gzip.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#wake();
    });
    const ended = once(gzip, "end");
    try {
      const writer = new PageWriter(snapshot.families, END[format]);
      for (;;) {
        const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
        const length = writer.fill(chunk);
        if (length === 0) break;
        if (gzip.write(chunk.subarray(0, length))) await nextTurn();
        else await once(gzip, "drain");
      }
      gzip.end();
      await ended;
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
    this.#done = true;
    this.#wake();
  }
}
