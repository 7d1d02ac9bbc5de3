// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { constants, createGzip, type Gzip } from "node:zlib";
import { CHUNK_BYTES, type Puller, send } from "../../http_server/page_stream.ts";
import { Chunk, type PageWriter } from "../../prometheus/write/page_writer.ts";

const OUTPUT_BYTES = 64 * 1024;

/**
 * A page that is being compressed, or has been, for any number of pullers. zlib works in its own threads, at level 1,
 * since the lines are in an order for which the higher levels cost four times as much and gain little.
 */
export class GzipPage {
  readonly #gzip: Gzip = createGzip({ level: constants.Z_BEST_SPEED, chunkSize: OUTPUT_BYTES });
  /**
   * The compressed bytes from the page's start on, which pullers that join late need too. They are about a twentieth of
   * the page.
   */
  readonly #compressed: Buffer[] = [];
  #state: "running" | "done" | Error = "running";
  #progress = Promise.withResolvers<void>();
  #pullers = 0;

  constructor(writer: PageWriter) {
    this.#gzip.on("data", (bytes: Buffer) => {
      this.#compressed.push(bytes);
      this.#wake();
    });
    this.#gzip.on("error", (error) => this.#finish(error));
    this.#compress(writer).then(
      () => this.#finish("done"),
      (error: Error) => this.#finish(error),
    );
  }

  get isRunning(): boolean {
    return this.#state === "running";
  }

  /** False if the compression failed, or ended because all pullers had left. Then no puller can join any more. */
  get isWhole(): boolean {
    return !(this.#state instanceof Error);
  }

  /**
   * Sends the bytes that are compressed already, and then the others as zlib returns them. Rejects when the puller's
   * signal aborts, or if the compression fails.
   */
  async sendTo(puller: Puller): Promise<void> {
    this.#pullers++;
    try {
      for (let next = 0; ; ) {
        puller.signal.throwIfAborted();
        const bytes = this.#compressed[next];
        if (bytes !== undefined) {
          await send(puller, bytes);
          next++;
        } else if (this.#state === "running") await this.#progressFor(puller);
        else if (this.#state === "done") return;
        else throw this.#state;
      }
    } finally {
      this.#pullers--;
      if (this.#pullers === 0 && this.isRunning) this.#finish(new Error("every puller has left"));
    }
  }

  async #progressFor({ signal }: Puller): Promise<void> {
    const left = Promise.withResolvers<void>();
    const leave = (): void => left.resolve();
    signal.addEventListener("abort", leave, { once: true });
    await Promise.race([this.#progress.promise, left.promise]);
    signal.removeEventListener("abort", leave);
  }

  /** Fills one chunk with lines of the page while zlib compresses the chunk before. */
  async #compress(writer: PageWriter): Promise<void> {
    let [chunk, other] = [new Chunk(CHUNK_BYTES), new Chunk(CHUNK_BYTES)];
    let compressed = Promise.resolve();
    for (let length = writer.fill(chunk); length > 0; length = writer.fill(chunk)) {
      await compressed;
      compressed = this.#write(chunk.bytes.subarray(0, length));
      [chunk, other] = [other, chunk];
    }
    await compressed;
    const ended = once(this.#gzip, "end");
    this.#gzip.end();
    await ended;
  }

  #write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#gzip.write(bytes, (error) => {
        if (error === null || error === undefined) resolve();
        else reject(error);
      });
    });
  }

  #finish(state: "done" | Error): void {
    if (!this.isRunning) return;
    this.#state = state;
    this.#gzip.destroy();
    this.#wake();
  }

  #wake(): void {
    const { resolve } = this.#progress;
    this.#progress = Promise.withResolvers();
    resolve();
  }
}
