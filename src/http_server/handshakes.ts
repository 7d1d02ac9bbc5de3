// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../clock/clock.ts";
import type { Connection } from "./connections.ts";

/** The options of `Handshakes`. */
export interface HandshakesOptions {
  /** Handshakes of one client that may begin in a second. All clients together may begin `CLIENTS_RATE` times as many. */
  readonly perSecondMax: number;
  readonly clock: Clock;
  /** Begins the handshake. The client's first bytes can be read from the socket. */
  start(connection: Connection): void;
  /** Closes a connection whose handshake has not ended. */
  close(connection: Connection, reason: "evicted" | "not_tls"): void;
}

/**
 * All clients together may begin so many times the handshakes of one client. By default, one client may begin 50 a
 * second, so all together 200. At 1 to 2 ms each, these use at most two fifths of a core.
 */
const CLIENTS_RATE = 4;
/** The first byte that every TLS client sends (RFC 8446, 5.1). Connections that begin with another byte are closed. */
const HANDSHAKE_RECORD = 0x16;
/**
 * The limit on unfinished handshakes. When one more begins, the oldest one of the client that has most of them is
 * closed.
 */
const RUNNING_MAX = 32;

/**
 * Limits how many TLS handshakes begin in a second, since each costs the main thread 1 to 2 ms. A handshake begins when its
 * client's first bytes have arrived. Handshakes above the limit wait in a queue, at no cost; the clients take turns.
 */
export class Handshakes {
  readonly #options: HandshakesOptions;
  /** The connections of each client whose handshakes wait. The client that may begin one next comes first. */
  readonly #queues = new Map<string, Set<Connection>>();
  /** The connections whose handshakes have begun and not ended, the oldest first. */
  readonly #running = new Set<Connection>();
  #second = 0;
  #startedBy = new Map<string, number>();
  #started = 0;
  #cancel: (() => void) | undefined;

  constructor(options: HandshakesOptions) {
    this.#options = options;
  }

  /** Queues the connection. Its socket must be paused and must not have been read from. */
  add(connection: Connection): void {
    const { socket } = connection;
    socket.once("close", () => this.done(connection));
    socket.once("readable", () => {
      const first: Buffer | null = socket.read();
      // `null` means that the client has closed the connection and sent nothing.
      if (first === null) return socket.destroy();
      if (first[0] !== HANDSHAKE_RECORD) return this.#options.close(connection, "not_tls");
      socket.unshift(first);
      this.#queue(connection);
    });
  }

  /** Reports that the handshake has ended or the connection has closed. */
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

  /**
   * Takes the next connection out of its queue. Returns undefined where no further handshake may begin in this second.
   */
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

  /** Finds the oldest unfinished handshake of the client that has most of them. */
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
