// SPDX-License-Identifier: Apache-2.0
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Clock } from "../clock/clock.ts";
import type { PeerAddress } from "../peer/dial.ts";
import { messageOf } from "../text/error_text.ts";
import type { Http2Connection } from "./connection.ts";
import { addressOf, ConnectFailure, type GrpcConnector } from "./connector.ts";
import { GrpcCode } from "./status.ts";

/** The target of calls, and how its addresses are found and used. */
export interface PeersOptions {
  readonly target: PeerAddress;
  readonly connector: GrpcConnector;
  /** Which connection a call gets: those of all addresses in turn, or that of the first address that can be reached. */
  readonly balancer: "round_robin" | "pick_first";
  /** Whether a proxy looks up the target's name, so that the agent does not. */
  readonly isResolvedElsewhere: boolean;
  /** Resolves the target's name. */
  readonly lookup: Lookup;
  readonly clock: Clock;
}

/** Finds the addresses of a host name. Rejects with the system's error. */
export type Lookup = (host: string) => Promise<readonly string[]>;

/** Finds the addresses by the system's resolver, which reads `/etc/hosts` and asks name servers. */
export const systemLookup: Lookup = async (host) =>
  (await lookup(host, { all: true })).map(({ address }) => address);

/** The time after which an address that failed is tried again, while other addresses can be reached. */
const RETRY_MS = 5_000;

/** The addresses of one target and the connections to them, one for each address. */
export class GrpcPeers {
  readonly #options: PeersOptions;
  readonly #stop = new AbortController();
  #peers: readonly Peer[] = [];
  #resolving: Promise<void> | undefined;
  /** The number of calls so far, which chooses the next connection by turns. */
  #turn = 0;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** Returns a connection for one call. Rejects with a ConnectFailure if no address can be reached. */
  async connection(): Promise<Http2Connection> {
    if (this.#peers.length === 0 || this.#peers.some(({ isStale }) => isStale)) await this.#resolveOnce();
    return this.#options.balancer === "round_robin" ? await this.#inTurn() : await this.#first();
  }

  /** Closes all connections when their calls have ended. The next call opens new ones. */
  reset(): void {
    for (const peer of this.#peers) peer.close();
    this.#peers = [];
  }

  /** Closes all connections when their calls have ended, and stops opening those that are not open yet. */
  close(): void {
    this.reset();
    this.#stop.abort(new Error("the client was closed"));
  }

  async #inTurn(): Promise<Http2Connection> {
    const ready = this.#peers.flatMap(({ ready }) => ready ?? []);
    const next = ready[this.#turn++ % Math.max(1, ready.length)];
    if (next === undefined) return await firstOf(this.#peers.map((peer) => peer.open()));
    // Addresses without a connection are tried in the background. Failures are ignored: this call has a connection.
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

  /** Looks the target's name up. Keeps the connections to addresses that the name still has, and closes the others. */
  async #resolve(): Promise<void> {
    const { connector, clock } = this.#options;
    const addresses = await this.#addresses();
    const before = new Map(this.#peers.map((peer) => [peer.name, peer]));
    this.#peers = addresses.map((address) => {
      const known = before.get(addressOf(address));
      before.delete(addressOf(address));
      known?.renew();
      return known ?? new Peer({ address, connector, clock, stop: this.#stop.signal });
    });
    for (const gone of before.values()) gone.close();
  }

  async #addresses(): Promise<readonly PeerAddress[]> {
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
  readonly address: PeerAddress;
  readonly connector: GrpcConnector;
  readonly clock: Clock;
  readonly stop: AbortSignal;
}

/** One address of the target, with its connection. */
class Peer {
  /** The address as text, in the form of an endpoint. */
  readonly name: string;
  readonly #options: PeerOptions;
  #connection: Http2Connection | undefined;
  #opening: Promise<Http2Connection> | undefined;
  #hasFailed = false;
  #failedMs = Number.NEGATIVE_INFINITY;

  constructor(options: PeerOptions) {
    this.#options = options;
    this.name = addressOf(options.address);
  }

  /** Whether the connection has ended or could not be opened since the address was looked up. */
  get isStale(): boolean {
    return this.#hasFailed || this.#connection?.isOpen === false;
  }

  /** Notes that the address was looked up again and is still one of the target's. */
  renew(): void {
    this.#hasFailed = false;
    if (this.#connection?.isOpen === false) this.#connection = undefined;
  }

  /** The connection if it is open; undefined if it is not. */
  get ready(): Http2Connection | undefined {
    return this.#connection?.isOpen === true ? this.#connection : undefined;
  }

  /** Whether no connection is open or being opened, and the last failed attempt was at least `RETRY_MS` ago. */
  get isDue(): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    return this.ready === undefined && this.#opening === undefined && nowMs - this.#failedMs >= RETRY_MS;
  }

  /** Returns the open connection, waits for the one that is being opened, or opens one. */
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
    // A connection that is being opened is closed when it is open. If opening fails, the waiting calls report it.
    this.#opening?.then(
      (connection) => connection.close(),
      () => {},
    );
  }

  async #connect(): Promise<Http2Connection> {
    const { address, connector, clock, stop } = this.#options;
    try {
      this.#connection = await connector.open(address, stop);
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

/** Joins the failures of all addresses into one. The code is the first one's. */
function joined(failures: readonly unknown[]): unknown {
  const [first] = failures;
  if (failures.length <= 1) return first;
  const texts = failures.map((one) => messageOf(one));
  const code = first instanceof ConnectFailure ? first.code : GrpcCode.UNAVAILABLE;
  return new ConnectFailure(texts.join(", "), code, new AggregateError(failures));
}
