// SPDX-License-Identifier: Apache-2.0
import type { Socket } from "node:net";
import type { Clock } from "../clock/clock.ts";
import { clientOf } from "./client_address.ts";
import type { ClosedReason } from "./rejections.ts";

/** How many connections of a listener may be open. */
export interface ConnectionLimits {
  /** Connections of all clients together. */
  readonly connectionsMax: number;
  /** Connections of one client: an IPv4 address, a /64 network of IPv6, or all clients of a unix socket. */
  readonly connectionsPerAddressMax: number;
}

/** How long a connection may stay in a state before it is cut. */
export interface ConnectionTimeouts {
  /** Time from a request's first byte to its last, and from the start of a connection to the end of its TLS handshake. */
  readonly readMs: number;
  /** Time from a request's last byte until the client has received the whole answer, even if it reads steadily. */
  readonly writeMs: number;
  /** Time from an answer to the first byte of the next request. */
  readonly idleMs: number;
}

/**
 * The state of a connection:
 * - `opening`: no request has arrived yet;
 * - `served`: a route works on a request;
 * - `answered`: the route has written the answer, and the client has not received all of it;
 * - `idle`: the connection waits for the next request;
 * - `reading`: a part of the next request has arrived.
 */
type Phase = "opening" | "served" | "answered" | "idle" | "reading";

/** One open connection. */
export interface Connection {
  readonly socket: Socket;
  /** The client that opened the connection, as `clientOf` names it. */
  readonly client: string;
  /** The second of the monotonic clock in which the connection's last request came; -1 before the first one. */
  askedSecond: number;
}

interface Tracked extends Connection {
  phase: Phase;
  deadlineMs: number;
  /** The socket's `bytesRead` when the connection became idle. If it grows, a request is arriving. */
  bytesRead: number;
  /** The number of requests on which a route works. */
  working: number;
  /** The number of requests whose answers the client has not received as a whole. */
  pending: number;
}

/** The connections of one client. */
interface ClientConnections {
  readonly all: Set<Tracked>;
  /** Connections that wait for their client, the longest waiting first. */
  readonly waiting: Set<Tracked>;
}

/** The options of `Connections`. */
export interface ConnectionsOptions {
  readonly limits: ConnectionLimits;
  readonly timeouts: ConnectionTimeouts;
  readonly clock: Clock;
  /** Is called for each connection that is refused or cut, with the reason. */
  onClosed(reason: ClosedReason, client: string): void;
}

/** Time-outs are checked this often, so a connection is cut at most this much too late. */
const CHECK_INTERVAL_MS = 1_000;
/**
 * Unanswered requests that one connection may have. At one more the connection is cut, since its client does not read
 * the answers.
 */
const PENDING_MAX = 8;

/**
 * The open connections of a listener, with their limits and time-outs. When a limit is reached, a new connection
 * replaces one that waits for its client: the longest waiting one of the client that has most connections. A connection
 * on which a route works is never closed for another one.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #clients = new Map<string, ClientConnections>();
  readonly #all = new Set<Tracked>();
  readonly #bySocket = new WeakMap<Socket, Tracked>();
  #cancelCheck: (() => void) | undefined;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /**
   * Counts the socket as a connection until it closes. Returns undefined where the limits allow no more; the socket is
   * then closed.
   */
  admit(socket: Socket): Connection | undefined {
    const { clock, timeouts, onClosed } = this.#options;
    // Without a listener, an error would end the process. The socket emits "close" after it, which is handled below.
    socket.on("error", () => {});
    const client = clientOf(socket.remoteAddress);
    if (!this.#makeRoom(client)) {
      onClosed("limit", client);
      socket.destroy();
      return undefined;
    }
    const tracked: Tracked = {
      socket,
      client,
      phase: "opening",
      deadlineMs: clock.monotonicMs() + timeouts.readMs,
      bytesRead: 0,
      working: 0,
      pending: 0,
      askedSecond: -1,
    };
    const own = this.#clients.get(client) ?? { all: new Set(), waiting: new Set() };
    this.#clients.set(client, own);
    own.all.add(tracked);
    own.waiting.add(tracked);
    this.#all.add(tracked);
    this.#bySocket.set(socket, tracked);
    socket.once("close", () => this.#forget(tracked));
    this.#cancelCheck ??= clock.after(CHECK_INTERVAL_MS, () => this.#check());
    return tracked;
  }

  /** Returns the connection of the socket; undefined where `admit` did not accept it. */
  of(socket: Socket): Connection | undefined {
    return this.#bySocket.get(socket);
  }

  /** Reports that the TLS handshake has ended: requests come over `secure` now, the first within `readMs`. */
  secured(connection: Connection, secure: Socket): void {
    const tracked = this.#trackedOf(connection);
    this.#bySocket.set(secure, tracked);
    tracked.deadlineMs = this.#options.clock.monotonicMs() + this.#options.timeouts.readMs;
  }

  /** Reports that a request has arrived. Returns false where the connection has too many unanswered ones; it is then cut. */
  begin(connection: Connection): boolean {
    const tracked = this.#trackedOf(connection);
    if (tracked.pending >= PENDING_MAX) {
      this.cut(tracked, "pipelining");
      return false;
    }
    tracked.working++;
    if (tracked.pending++ === 0) this.#renewWrite(tracked);
    tracked.phase = "served";
    this.#clients.get(tracked.client)?.waiting.delete(tracked);
    return true;
  }

  /** Reports that the route has written the whole answer. */
  answered(connection: Connection): void {
    const tracked = this.#trackedOf(connection);
    if (--tracked.working === 0) this.#wait(tracked, tracked.pending === 0 ? "idle" : "answered");
  }

  /** Reports that the client has received the whole answer, or has disconnected. */
  taken(connection: Connection): void {
    const tracked = this.#trackedOf(connection);
    if (--tracked.pending > 0) this.#renewWrite(tracked);
    else if (tracked.working === 0) this.#wait(tracked, "idle");
  }

  /** Closes the connection at once and reports the reason to `onClosed`. */
  cut(connection: Connection, reason: ClosedReason): void {
    const tracked = this.#trackedOf(connection);
    if (!this.#all.has(tracked)) return;
    this.#options.onClosed(reason, tracked.client);
    this.#forget(tracked);
    tracked.socket.destroy();
  }

  /** Closes the connections that have no unanswered request. */
  closeIdle(): void {
    for (const tracked of this.#all) if (tracked.pending === 0) tracked.socket.destroy();
  }

  closeAll(): void {
    for (const { socket } of this.#all) socket.destroy();
  }

  #trackedOf(connection: Connection): Tracked {
    const tracked = this.#bySocket.get(connection.socket);
    if (tracked === undefined) throw new Error("BUG: a connection that was not admitted");
    return tracked;
  }

  #renewWrite(tracked: Tracked): void {
    tracked.deadlineMs = this.#options.clock.monotonicMs() + this.#options.timeouts.writeMs;
  }

  #wait(tracked: Tracked, phase: "answered" | "idle"): void {
    tracked.phase = phase;
    if (phase === "idle") {
      tracked.bytesRead = tracked.socket.bytesRead;
      tracked.deadlineMs = this.#options.clock.monotonicMs() + this.#options.timeouts.idleMs;
    }
    if (!this.#all.has(tracked)) return;
    const waiting = this.#clients.get(tracked.client)?.waiting;
    waiting?.delete(tracked);
    waiting?.add(tracked);
  }

  #forget(tracked: Tracked): void {
    if (!this.#all.delete(tracked)) return;
    const own = this.#clients.get(tracked.client);
    own?.all.delete(tracked);
    own?.waiting.delete(tracked);
    if (own?.all.size === 0) this.#clients.delete(tracked.client);
    if (this.#all.size > 0) return;
    this.#cancelCheck?.();
    this.#cancelCheck = undefined;
  }

  /**
   * Returns whether the client may open one more connection. Where a limit is reached, closes a waiting connection to
   * make room.
   */
  #makeRoom(client: string): boolean {
    const { connectionsMax, connectionsPerAddressMax } = this.#options.limits;
    const own = this.#clients.get(client);
    const ownCount = own?.all.size ?? 0;
    let from: ClientConnections | undefined;
    if (ownCount >= connectionsPerAddressMax) from = own;
    else if (this.#all.size < connectionsMax) return true;
    else from = this.#largestClient(own, ownCount);
    const [victim] = from?.waiting ?? [];
    if (victim === undefined) return false;
    this.cut(victim, "evicted");
    return true;
  }

  /**
   * Finds the client with most connections among those that have a waiting one. `own` is the client that asks for one
   * more. Skips every other client that has no more connections than `own`, so that no client loses a connection to a
   * client with as many or more.
   */
  #largestClient(own: ClientConnections | undefined, ownCount: number): ClientConnections | undefined {
    let largest: ClientConnections | undefined;
    for (const one of this.#clients.values()) {
      if (one.waiting.size === 0 || (one !== own && one.all.size <= ownCount)) continue;
      if (largest === undefined || one.all.size > largest.all.size) largest = one;
    }
    return largest;
  }

  #check(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const tracked of this.#all) {
      if (tracked.phase === "idle" && tracked.socket.bytesRead > tracked.bytesRead) {
        tracked.phase = "reading";
        tracked.deadlineMs = nowMs + this.#options.timeouts.readMs;
      }
      if (tracked.deadlineMs <= nowMs) this.cut(tracked, timeoutReason(tracked.phase));
    }
    this.#cancelCheck =
      this.#all.size === 0 ? undefined : this.#options.clock.after(CHECK_INTERVAL_MS, () => this.#check());
  }
}

function timeoutReason(phase: Phase): ClosedReason {
  if (phase === "idle") return "idle_timeout";
  return phase === "opening" || phase === "reading" ? "read_timeout" : "write_timeout";
}
