// SPDX-License-Identifier: Apache-2.0

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Clock } from "../clock/clock.ts";
import type { PeerAddress } from "../peer/dial.ts";
import { messageOf } from "../text/error_text.ts";
import type { Http2Connection } from "./connection.ts";
import { addressOf, ConnectFailure, type GrpcConnector } from "./connector.ts";
import { GrpcCode } from "./status.ts";

export interface PeersOptions {
  readonly target: PeerAddress;
  readonly connector: GrpcConnector;
  /** Which connection a call gets: each in turn, or the first that can be had. */
  readonly balancer: "round_robin" | "pick_first";
  /** Whether the target's name is for somebody else, a proxy, to look up. */
  readonly isResolvedElsewhere: boolean;
  /** Finds the addresses of a name. */
  readonly lookup: Lookup;
  readonly clock: Clock;
}

export type Lookup = (host: string) => Promise<readonly string[]>;

/** Asks the system: `/etc/hosts`, then name servers. */
export const systemLookup: Lookup = async (host) =>
  (await lookup(host, { all: true })).map(({ address }) => address);

/** While others are there, an address that failed is left alone for so long. */
const RETRY_MS = 5_000;

/** The addresses of one target and the connections to them. */
export class GrpcPeers {
  readonly #options: PeersOptions;
  readonly #stop = new AbortController();
  #peers: readonly Peer[] = [];
  #resolving: Promise<void> | undefined;
  #turn = 0;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** A connection for one call. Rejects with a ConnectFailure where none of the addresses can be reached. */
  async connection(): Promise<Http2Connection> {
    if (this.#peers.length === 0 || this.#peers.some(({ isStale }) => isStale)) await this.#resolveOnce();
    return this.#options.balancer === "round_robin" ? await this.#inTurn() : await this.#first();
  }

  /** Lets go of all connections; the next call opens others. */
  reset(): void {
    for (const peer of this.#peers) peer.close();
    this.#peers = [];
  }

  close(): void {
    this.reset();
    this.#stop.abort(new Error("the client was closed"));
  }

  async #inTurn(): Promise<Http2Connection> {
    const ready = this.#peers.flatMap(({ ready }) => ready ?? []);
    const next = ready[this.#turn++ % Math.max(1, ready.length)];
    if (next === undefined) return await firstOf(this.#peers.map((peer) => peer.open()));
    // The others join in when they can be reached; why they cannot, the calls that depend on them say.
    for (const peer of this.#peers) if (peer.isDue) peer.open().catch(() => {});
    return next;
  }

  async #first(): Promise<Http2Connection> {
    const failures: unknown[] = [];
    const ready = this.#peers.flatMap(({ ready }) => ready ?? [])[0];
    if (ready !== undefined) return ready;
    for (const peer of this.#peers) {
      try {
        return await peer.open();
      } catch (error) {
        failures.push(error);
      }
    }
    throw joined(failures);
  }

  #resolveOnce(): Promise<void> {
    this.#resolving ??= this.#resolve().finally(() => {
      this.#resolving = undefined;
    });
    return this.#resolving;
  }

  /** Looks the target up; peers whose address is still among the answers stay. */
  async #resolve(): Promise<void> {
    const { connector, clock } = this.#options;
    const places = await this.#places();
    const before = new Map(this.#peers.map((peer) => [peer.address, peer]));
    this.#peers = places.map((place) => {
      const known = before.get(addressOf(place));
      before.delete(addressOf(place));
      known?.renew();
      return known ?? new Peer({ place, connector, clock, stop: this.#stop.signal });
    });
    for (const gone of before.values()) gone.close();
  }

  async #places(): Promise<readonly PeerAddress[]> {
    const { target, isResolvedElsewhere } = this.#options;
    if ("path" in target || isResolvedElsewhere || isIP(target.host) !== 0) return [target];
    const { host, port } = target;
    const found = await this.#options.lookup(host).catch((error: NodeJS.ErrnoException) => {
      throw unknownHost(host, `${error.code}; no name server that was asked knows the host`);
    });
    if (found.length === 0) throw unknownHost(host, "it has none");
    return found.map((address) => ({ host: address, port }));
  }
}

function unknownHost(host: string, why: string): ConnectFailure {
  return new ConnectFailure(`cannot find the address of "${host}": ${why}`, GrpcCode.UNAVAILABLE);
}

interface PeerOptions {
  readonly place: PeerAddress;
  readonly connector: GrpcConnector;
  readonly clock: Clock;
  readonly stop: AbortSignal;
}

/** One address. */
class Peer {
  readonly address: string;
  readonly #options: PeerOptions;
  #connection: Http2Connection | undefined;
  #opening: Promise<Http2Connection> | undefined;
  #hasFailed = false;
  #failedMs = Number.NEGATIVE_INFINITY;

  constructor(options: PeerOptions) {
    this.#options = options;
    this.address = addressOf(options.place);
  }

  /** Whether a connection to it has ended or failed since its address was looked up. */
  get isStale(): boolean {
    return this.#hasFailed || this.#connection?.isOpen === false;
  }

  /** Its address was looked up again, and is still one. */
  renew(): void {
    this.#hasFailed = false;
    if (this.#connection?.isOpen === false) this.#connection = undefined;
  }

  /** The connection, where there is one that takes calls. */
  get ready(): Http2Connection | undefined {
    return this.#connection?.isOpen === true ? this.#connection : undefined;
  }

  /** Whether it is time to try it again beside others. */
  get isDue(): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    return this.ready === undefined && this.#opening === undefined && nowMs - this.#failedMs >= RETRY_MS;
  }

  /** The connection that is there, is being opened, or is opened now. */
  open(): Promise<Http2Connection> {
    const { ready } = this;
    if (ready !== undefined) return Promise.resolve(ready);
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  close(): void {
    this.#connection?.close();
    // One that is being opened goes the same way once it is there; a failure has been told to whoever waits for it.
    this.#opening?.then(
      (connection) => connection.close(),
      () => {},
    );
  }

  async #connect(): Promise<Http2Connection> {
    const { place, connector, clock, stop } = this.#options;
    try {
      this.#connection = await connector.open(place, stop);
      return this.#connection;
    } catch (error) {
      this.#failedMs = clock.monotonicMs();
      this.#hasFailed = true;
      throw error;
    }
  }
}

async function firstOf(opening: readonly Promise<Http2Connection>[]): Promise<Http2Connection> {
  try {
    return await Promise.any(opening);
  } catch (error) {
    throw joined(error instanceof AggregateError ? error.errors : [error]);
  }
}

/** One failure out of those of all addresses. */
function joined(failures: readonly unknown[]): unknown {
  const [first] = failures;
  if (failures.length <= 1) return first;
  const texts = failures.map((one) => messageOf(one));
  const code = first instanceof ConnectFailure ? first.code : GrpcCode.UNAVAILABLE;
  return new ConnectFailure(texts.join(", "), code, new AggregateError(failures));
}
