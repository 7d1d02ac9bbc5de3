// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import type { Connection } from "./connections.ts";

export interface HandshakesOptions {
  /** Of one client; all together have `CLIENTS_RATE` times as many. */
  readonly perSecondMax: number;
  readonly clock: Clock;
  /** Begins the handshake, whose first bytes the socket has read. */
  start(connection: Connection): void;
  /** Closes one that has not come to its end. */
  close(connection: Connection, reason: "evicted" | "not_tls"): void;
}

/** At 1 to 2 ms each, and 50 of one client, all handshakes together take two fifths of a core at most. */
const CLIENTS_RATE = 4;
/** The first byte of every TLS client: RFC 8446, 5.1. What sends another one takes nobody's turn. */
const HANDSHAKE_RECORD = 0x16;
/** Handshakes that wait for their clients' next bytes. */
const RUNNING_MAX = 32;

/**
 * Lets TLS handshakes begin, each of which costs the main thread a millisecond or two: when the client has sent something, and so
 * many in a second. Others wait, and cost nothing meanwhile; clients take turns.
 */
export class Handshakes {
  readonly #options: HandshakesOptions;
  /** Those that wait, by client; the client whose turn it is comes first. */
  readonly #queues = new Map<string, Set<Connection>>();
  /** The longest running first. */
  readonly #running = new Set<Connection>();
  #second = 0;
  #startedBy = new Map<string, number>();
  #started = 0;
  #cancel: (() => void) | undefined;

  constructor(options: HandshakesOptions) {
    this.#options = options;
  }

  /** The socket is paused and has read nothing. */
  add(connection: Connection): void {
    const { socket } = connection;
    socket.once("close", () => this.done(connection));
    socket.once("readable", () => {
      const first: Buffer | null = socket.read();
      // The client has gone without a word.
      if (first === null) return socket.destroy();
      if (first[0] !== HANDSHAKE_RECORD) return this.#options.close(connection, "not_tls");
      socket.unshift(first);
      this.#queue(connection);
    });
  }

  /** The handshake is over, or the connection has closed. */
  done(connection: Connection): void {
    const queue = this.#queues.get(connection.client);
    if (queue?.delete(connection) && queue.size === 0) this.#queues.delete(connection.client);
    if (this.#running.delete(connection)) this.#startNext();
    if (this.#queues.size > 0) return;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #queue(connection: Connection): void {
    const queue = this.#queues.get(connection.client) ?? new Set();
    this.#queues.set(connection.client, queue.add(connection));
    this.#startNext();
  }

  #startNext(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const second = Math.floor(nowMs / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#startedBy = new Map();
      this.#started = 0;
    }
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      if (this.#running.size >= RUNNING_MAX) this.#options.close(this.#longestOfMost(), "evicted");
      this.#running.add(next);
      this.#options.start(next);
    }
    if (this.#queues.size === 0) return;
    this.#cancel ??= this.#options.clock.after((second + 1) * 1_000 - nowMs, () => {
      this.#cancel = undefined;
      this.#startNext();
    });
  }

  /** Takes the connection whose turn it is off its queue; undefined where nobody may begin in this second. */
  #next(): Connection | undefined {
    const { perSecondMax } = this.#options;
    if (this.#started >= perSecondMax * CLIENTS_RATE) return undefined;
    for (const [client, queue] of this.#queues) {
      const started = this.#startedBy.get(client) ?? 0;
      const [first] = queue;
      if (started >= perSecondMax || first === undefined) continue;
      this.#startedBy.set(client, started + 1);
      this.#started++;
      queue.delete(first);
      this.#queues.delete(client);
      if (queue.size > 0) this.#queues.set(client, queue);
      return first;
    }
    return undefined;
  }

  /** The longest running handshake of the client that has most of them. */
  #longestOfMost(): Connection {
    const counts = new Map<string, number>();
    for (const { client } of this.#running) counts.set(client, (counts.get(client) ?? 0) + 1);
    let longest: Connection | undefined;
    for (const one of this.#running) {
      const most = longest === undefined ? 0 : (counts.get(longest.client) ?? 0);
      if ((counts.get(one.client) ?? 0) > most) longest = one;
    }
    if (longest === undefined) throw new Error("BUG: there is no handshake to evict");
    return longest;
  }
}
