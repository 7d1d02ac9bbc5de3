// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from "node:http";
import { clientOf } from "../../http_server/client_address.ts";
import type { Puller } from "../../http_server/page_stream.ts";

/** A pull whose answer is not yet complete. */
export interface Pull extends Puller {
  readonly out: ServerResponse;
  readonly client: string;
}

/**
 * The current pulls. When there are as many as the limit allows, one is cut for a new one:
 *
 * - If some pulls wait for their pullers to read, one of these is cut: of those of the client with the most pulls, the
 *   one whose puller has read nothing for longest.
 * - Otherwise the latest pull of the client with the most pulls is cut, if this client has at least two pulls more than
 *   the client of the new pull.
 * - Otherwise none is cut, and the new pull is refused.
 */
export class Pulls {
  readonly #max: number;
  /** In the order in which their pullers last read something; the latest is last. */
  readonly #pulls = new Set<Pull>();

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Begins a pull, which the caller must end. The signal must abort when the response closes. Returns undefined if the
   * limit is reached and no pull can be cut.
   */
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

  /** Cuts a pull for a new one of the client `newcomer`. Returns false if none can be cut. */
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
