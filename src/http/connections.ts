// SPDX-License-Identifier: Apache-2.0
import type { Socket } from "node:net";
import type { Clock } from "../clock/clock.ts";
import { clientOf } from "./client_address.ts";
import type { ClosedReason } from "./rejections.ts";

export interface ConnectionLimits {
  readonly connectionsMax: number;
  /** Of one client: an address, a /64 of IPv6, or a unix socket as a whole. */
  readonly connectionsPerAddressMax: number;
}

export interface ConnectionTimeouts {
  /** From a request's first byte to its last, and from a connection's begin to the end of its TLS handshake. */
  readonly readMs: number;
  /** From a request's last byte to its answer's last, however steadily the client takes it. */
  readonly writeMs: number;
  /** From an answer to the next request's first byte. */
  readonly idleMs: number;
}

/**
 * `opening` until a first request is there; `served` while a route works on a request; `answered` while the client still has to
 * take the answer; `idle` between requests; `reading` when a part of the next one is there.
 */
type Phase = "opening" | "served" | "answered" | "idle" | "reading";

/** One open connection. */
export interface Connection {
  readonly socket: Socket;
  /** Whose it is, as `clientOf` says. */
  readonly client: string;
  /** The second in which it asked last. */
  askedSecond: number;
}

interface Tracked extends Connection {
  phase: Phase;
  deadlineMs: number;
  /** Bytes that the socket had read when the connection became idle. */
  bytesRead: number;
  /** Requests that a route works on, and those whose answers have not been taken. */
  working: number;
  pending: number;
}

interface ClientConnections {
  readonly all: Set<Tracked>;
  /** Those that wait for their client, the longest first. */
  readonly waiting: Set<Tracked>;
}

export interface ConnectionsOptions {
  readonly limits: ConnectionLimits;
  readonly timeouts: ConnectionTimeouts;
  readonly clock: Clock;
  /** Hears of each connection that is refused or cut, and why. */
  onClosed(reason: ClosedReason, client: string): void;
}

/** How often connections are looked at: a time-out comes late by so much at most. */
const LOOK_INTERVAL_MS = 1_000;
/** Requests of one connection that may be under way at one time; a client that sends more does not read its answers. */
const PENDING_MAX = 8;

/**
 * The open connections of a listener. When places are short, one that waits for its client gives way, the longest waiting first,
 * from the client that holds most; one that a route works for never does.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #clients = new Map<string, ClientConnections>();
  readonly #all = new Set<Tracked>();
  readonly #bySocket = new WeakMap<Socket, Tracked>();
  #cancelLook: (() => void) | undefined;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** The socket's connection, from now until it closes. Undefined where there is no place: the socket is then closed. */
  admit(socket: Socket): Connection | undefined {
    const { clock, timeouts, onClosed } = this.#options;
    // A socket that has an error closes too, and that is heard.
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
    this.#cancelLook ??= clock.after(LOOK_INTERVAL_MS, () => this.#look());
    return tracked;
  }

  /** The connection of a socket that was admitted. */
  of(socket: Socket): Connection | undefined {
    return this.#bySocket.get(socket);
  }

  /** The handshake is over: requests come by this socket, and the first one has its own time. */
  secured(connection: Connection, secure: Socket): void {
    const tracked = this.#trackedOf(connection);
    this.#bySocket.set(secure, tracked);
    tracked.deadlineMs = this.#options.clock.monotonicMs() + this.#options.timeouts.readMs;
  }

  /** A request is there. Returns false where the connection has too many under way, and is cut. */
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

  /** The route has written the whole answer; the client has yet to take it. */
  answered(connection: Connection): void {
    const tracked = this.#trackedOf(connection);
    if (--tracked.working === 0) this.#wait(tracked, tracked.pending === 0 ? "idle" : "answered");
  }

  /** The client has the whole answer. */
  taken(connection: Connection): void {
    const tracked = this.#trackedOf(connection);
    if (--tracked.pending > 0) this.#renewWrite(tracked);
    else if (tracked.working === 0) this.#wait(tracked, "idle");
  }

  cut(connection: Connection, reason: ClosedReason): void {
    const tracked = this.#trackedOf(connection);
    if (!this.#all.has(tracked)) return;
    this.#options.onClosed(reason, tracked.client);
    this.#forget(tracked);
    tracked.socket.destroy();
  }

  /** Closes those without a request under way. */
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
    this.#cancelLook?.();
    this.#cancelLook = undefined;
  }

  /** Whether there is a place for one more of this client; one that waits gives way to it if need be. */
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

  /** Among those who have a connection that waits: nobody gives way to a client that holds more already. */
  #largestClient(own: ClientConnections | undefined, ownCount: number): ClientConnections | undefined {
    let largest: ClientConnections | undefined;
    for (const one of this.#clients.values()) {
      if (one.waiting.size === 0 || (one !== own && one.all.size <= ownCount)) continue;
      if (largest === undefined || one.all.size > largest.all.size) largest = one;
    }
    return largest;
  }

  #look(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const tracked of this.#all) {
      if (tracked.phase === "idle" && tracked.socket.bytesRead > tracked.bytesRead) {
        tracked.phase = "reading";
        tracked.deadlineMs = nowMs + this.#options.timeouts.readMs;
      }
      if (tracked.deadlineMs <= nowMs) this.cut(tracked, lateness(tracked.phase));
    }
    this.#cancelLook =
      this.#all.size === 0 ? undefined : this.#options.clock.after(LOOK_INTERVAL_MS, () => this.#look());
  }
}

function lateness(phase: Phase): ClosedReason {
  if (phase === "idle") return "idle_timeout";
  return phase === "opening" || phase === "reading" ? "read_timeout" : "write_timeout";
}
