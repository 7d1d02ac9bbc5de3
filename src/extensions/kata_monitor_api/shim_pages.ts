// SPDX-License-Identifier: Apache-2.0
import type { ServerResponse } from "node:http";
import type { Clock } from "../../clock/clock.ts";
import { streamPage, Turns } from "../../http_server/page_stream.ts";
import type { Reading } from "../../metrics/model.ts";
import { PageComposer } from "../../prometheus/page/compose.ts";
import { PageWriter } from "../../prometheus/write/page_writer.ts";

/**
 * Writes the page of one sandbox as its shim would: the samples of its reading, without labels that identify the
 * sandbox.
 */
export class ShimPages {
  readonly #composer = new PageComposer({
    namespace: "",
    labels: { mapped: [], constant: [], others: false },
    onConflict: () => {},
  });
  readonly #clock: Clock;
  readonly #turns = new Turns();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Answers as fast as the client reads; the page is never in memory as a whole. Rejects when the signal aborts. */
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
    if (isHead) {
      response.end();
      return;
    }
    // The prefix "" selects all families. Without prefixes, the composer would remember this sandbox's families, and
    // prefer them to others of the same name on the page of the next sandbox.
    const page = this.#composer.compose([reading], { format: "text", prefixes: [""] });
    const puller = { out: response, signal, onTaken: () => {} };
    await streamPage(new PageWriter(page, { timestamps: false }), puller, {
      clock: this.#clock,
      turns: this.#turns,
    });
    response.end();
  }
}
