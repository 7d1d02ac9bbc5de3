import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Reading } from "../../metrics/model.ts";
import { Chunk, PageWriter } from "../../prometheus/write.ts";
import { PageComposer } from "../../prometheus/write_page.ts";

const CHUNK_BYTES = 64 * 1024;

/** Writes the page of one sandbox as its shim would: the samples of its reading, with no label that says whose they are. */
export class ShimPages {
  readonly #composer = new PageComposer({
    namespace: "",
    labels: { mapped: [], constant: [], others: false },
    onConflict: () => {},
  });

  /** Answers at the client's pace; the page is never in memory as a whole. Rejects when the signal aborts. */
  async answer(
    response: ServerResponse,
    reading: Reading,
    { signal, isHead }: { readonly signal: AbortSignal; readonly isHead: boolean },
  ): Promise<void> {
    response.writeHead(200, {
      "Content-Type": "text/plain; charset=utf-8",
      "Content-Security-Policy": "default-src 'none'",
      "X-Content-Type-Options": "nosniff",
    });
    // All names begin with nothing. Without a choice of names, this page would say what the next one shows.
    const page = this.#composer.compose([reading], { format: "text", prefixes: [""] });
    const writer = new PageWriter(page, { timestamps: false });
    const chunk = new Chunk(CHUNK_BYTES);
    for (let length = isHead ? 0 : writer.fill(chunk); length > 0; length = writer.fill(chunk)) {
      // What was written may wait in the socket while the chunk is filled again.
      const isTaken = response.write(Buffer.from(chunk.bytes.subarray(0, length)));
      if (!isTaken) await once(response, "drain", { signal });
    }
    response.end();
  }
}
