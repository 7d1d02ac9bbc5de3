// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from "node:http";
import { clientOf } from "../../http_server/client_address.ts";
import type { Puller } from "../../http_server/page_stream.ts";

/** A pull under way. */
export interface Pull extends Puller {
  readonly out: ServerResponse;
  readonly client: string;
}

/**
 * The pulls under way. When all places are taken, a new pull gets that of one that waits for its puller: of the client that has
 * most of them, the one whose puller has taken nothing for longest. Where none waits, the latest pull of the client that has most
 * gives way to one whose client has at least two fewer.
 */
export class Pulls {
  readonly #max: number;
  /** The one whose puller took something last is last. */
  readonly #pulls = new Set<Pull>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Undefined where no pull can give way. Otherwise the caller ends it; the signal must abort when the response closes. */
  begin({ socket }: IncomingMessage, out: ServerResponse, signal: AbortSignal): Pull | undefined {
    const client = clientOf(socket.remoteAddress);
    if (this.#pulls.size >= this.#max && !this.#makeRoom(client)) return undefined;
    const pull: Pull = {
      client,
      out,
      signal,
      onTaken: () => {
        if (this.#pulls.delete(pull)) this.#pulls.add(pull);
      },
    };
    this.#pulls.add(pull);
    return pull;
  }

  end(pull: Pull): void {
    this.#pulls.delete(pull);
  }

  /** Breaks a pull off, if one can give way. */
  #makeRoom(newcomer: string): boolean {
    const counts = new Map<string, number>();
    for (const { client } of this.#pulls) counts.set(client, (counts.get(client) ?? 0) + 1);
    const countOf = (client: string): number => counts.get(client) ?? 0;
    let slowest: Pull | undefined;
    let latest: Pull | undefined;
    for (const pull of this.#pulls) {
      const count = countOf(pull.client);
      const waits = pull.out.writableLength > 0;
      if (waits && (slowest === undefined || count > countOf(slowest.client))) slowest = pull;
      if (count < countOf(newcomer) + 2) continue;
      if (latest === undefined || count >= countOf(latest.client)) latest = pull;
    }
    const victim = slowest ?? latest;
    if (victim === undefined) return false;
    this.#pulls.delete(victim);
    victim.out.destroy();
    return true;
  }
}
