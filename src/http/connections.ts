// SPDX-License-Identifier: Apache-2.0
import type { Socket } from "node:net";
import type { Clock } from "../clock/clock.ts";
import { clientOf } from "./client_address.ts";
import type { ClosedReason } from "./turned_away.ts";

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

interface Held extends Connection {
  phase: Phase;
  deadlineMs: number;
  /** Bytes that the socket had read when the connection became idle. */
  bytesRead: number;
  /** Requests that a route works on, and those whose answers have not been taken. */
  working: number;
  pending: number;
}

interface Holder {
  readonly all: Set<Held>;
  /** Those that wait for their client, the longest first. */
  readonly waiting: Set<Held>;
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
  readonly #holders = new Map<string, Holder>();
  readonly #all = new Set<Held>();
  readonly #bySocket = new WeakMap<Socket, Held>();
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
    const held: Held = {
      socket,
      client,
      phase: "opening",
      deadlineMs: clock.monotonicMs() + timeouts.readMs,
      bytesRead: 0,
      working: 0,
      pending: 0,
      askedSecond: -1,
    };
    const holder = this.#holders.get(client) ?? { all: new Set(), waiting: new Set() };
    this.#holders.set(client, holder);
    holder.all.add(held);
    holder.waiting.add(held);
    this.#all.add(held);
    this.#bySocket.set(socket, held);
    socket.once("close", () => this.#forget(held));
    this.#cancelLook ??= clock.after(LOOK_INTERVAL_MS, () => this.#look());
    return held;
  }

  /** The connection of a socket that was admitted. */
  of(socket: Socket): Connection | undefined {
    return this.#bySocket.get(socket);
  }

  /** The handshake is over: requests come by this socket, and the first one has its own time. */
  secured(connection: Connection, secure: Socket): void {
    const held = this.#heldOf(connection);
    this.#bySocket.set(secure, held);
    held.deadlineMs = this.#options.clock.monotonicMs() + this.#options.timeouts.readMs;
  }

  /** A request is there. Returns false where the connection has too many under way, and is cut. */
  begin(connection: Connection): boolean {
    const held = this.#heldOf(connection);
    if (held.pending >= PENDING_MAX) {
      this.cut(held, "pipelining");
      return false;
    }
    held.working++;
    if (held.pending++ === 0) this.#renewWrite(held);
    held.phase = "served";
    this.#holders.get(held.client)?.waiting.delete(held);
    return true;
  }

  /** The route has written the whole answer; the client has yet to take it. */
  answered(connection: Connection): void {
    const held = this.#heldOf(connection);
    if (--held.working === 0) this.#wait(held, held.pending === 0 ? "idle" : "answered");
  }

  /** The client has the whole answer. */
  taken(connection: Connection): void {
    const held = this.#heldOf(connection);
    if (--held.pending > 0) this.#renewWrite(held);
    else if (held.working === 0) this.#wait(held, "idle");
  }

  cut(connection: Connection, reason: ClosedReason): void {
    const held = this.#heldOf(connection);
    if (!this.#all.has(held)) return;
    this.#options.onClosed(reason, held.client);
    this.#forget(held);
    held.socket.destroy();
  }

  /** Closes those without a request under way. */
  closeIdle(): void {
    for (const held of this.#all) if (held.pending === 0) held.socket.destroy();
  }

  closeAll(): void {
    for (const { socket } of this.#all) socket.destroy();
  }

  #heldOf(connection: Connection): Held {
    const held = this.#bySocket.get(connection.socket);
    if (held === undefined) throw new Error("BUG: a connection that was not admitted");
    return held;
  }

  #renewWrite(held: Held): void {
    held.deadlineMs = this.#options.clock.monotonicMs() + this.#options.timeouts.writeMs;
  }

  #wait(held: Held, phase: "answered" | "idle"): void {
    held.phase = phase;
    if (phase === "idle") {
      held.bytesRead = held.socket.bytesRead;
      held.deadlineMs = this.#options.clock.monotonicMs() + this.#options.timeouts.idleMs;
    }
    if (!this.#all.has(held)) return;
    const waiting = this.#holders.get(held.client)?.waiting;
    waiting?.delete(held);
    waiting?.add(held);
  }

  #forget(held: Held): void {
    if (!this.#all.delete(held)) return;
    const holder = this.#holders.get(held.client);
    holder?.all.delete(held);
    holder?.waiting.delete(held);
    if (holder?.all.size === 0) this.#holders.delete(held.client);
    if (this.#all.size > 0) return;
    this.#cancelLook?.();
    this.#cancelLook = undefined;
  }

  /** Whether there is a place for one more of this client; one that waits gives way to it if need be. */
  #makeRoom(client: string): boolean {
    const { connectionsMax, connectionsPerAddressMax } = this.#options.limits;
    const own = this.#holders.get(client);
    const ownCount = own?.all.size ?? 0;
    let from: Holder | undefined;
    if (ownCount >= connectionsPerAddressMax) from = own;
    else if (this.#all.size < connectionsMax) return true;
    else from = this.#largestHolder(own, ownCount);
    const [victim] = from?.waiting ?? [];
    if (victim === undefined) return false;
    this.cut(victim, "evicted");
    return true;
  }

  /** Among those who have a connection that waits: nobody gives way to a client that holds more already. */
  #largestHolder(own: Holder | undefined, ownCount: number): Holder | undefined {
    let largest: Holder | undefined;
    for (const holder of this.#holders.values()) {
      if (holder.waiting.size === 0 || (holder !== own && holder.all.size <= ownCount)) continue;
      if (largest === undefined || holder.all.size > largest.all.size) largest = holder;
    }
    return largest;
  }

  #look(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const held of this.#all) {
      if (held.phase === "idle" && held.socket.bytesRead > held.bytesRead) {
        held.phase = "reading";
        held.deadlineMs = nowMs + this.#options.timeouts.readMs;
      }
      if (held.deadlineMs <= nowMs) this.cut(held, lateness(held.phase));
    }
    this.#cancelLook =
      this.#all.size === 0 ? undefined : this.#options.clock.after(LOOK_INTERVAL_MS, () => this.#look());
  }
}

function lateness(phase: Phase): ClosedReason {
  if (phase === "idle") return "idle_timeout";
  return phase === "opening" || phase === "reading" ? "read_timeout" : "write_timeout";
}
