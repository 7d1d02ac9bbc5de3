// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { Single } from "../component/single.ts";
import type { ListenAddress } from "../options/values.ts";
import type { CertificateOwner, Certificates } from "../tls/certificates.ts";
import { authenticationBy } from "./authentication.ts";
import { defaultServerLimits, defaultServerTimeouts } from "./config.ts";
import { Rejections } from "./rejections.ts";
import { describeAddress, describeAddresses, HttpServer, type Route } from "./server.ts";
import { ANY_SERVING, jointServing, SERVING_OPTIONS, type Serving } from "./serving.ts";
import { serverCertificates } from "./tls.ts";

export interface ShareOptions {
  /** Whose it is. */
  readonly owner: CertificateOwner;
  readonly address: ListenAddress;
  readonly serving: Serving;
  readonly routes: ReadonlyMap<string, Route>;
  /** Of two shares on one path the higher rank has it; of equal rank, it is a fault. */
  readonly rank: number;
}

/** A component's share of a listener. */
export interface Share {
  /** The first of the addresses that it really listens at, which matters when the port was 0. */
  readonly address: ListenAddress;
  /** All of them, in words for the log. */
  readonly endpoint: string;
  /** Begins to listen, if nobody who shares the address has. Rejects with the address and the cause. */
  listen(): Promise<void>;
  /** Reads the certificate's files again. Rejects where they are no good; the old certificate then stays in use. */
  refresh(): Promise<void>;
  /** Takes the routes back; the last one closes the listener. */
  close(deadline: AbortSignal): Promise<void>;
}

/** The agent's HTTP listeners: components that name one address share one. */
export class Listeners {
  readonly #byAddress = new Map<string, Listener>();

  /** Without effect on the outside until the share listens. */
  share(options: ShareOptions): Share {
    const { address } = options;
    // Port 0 is a different port for everyone.
    if ("port" in address && address.port === 0) return new Listener().add(options, () => {});
    const key = describeAddress(address);
    const listener = this.#byAddress.get(key) ?? new Listener();
    this.#byAddress.set(key, listener);
    return listener.add(options, () => this.#byAddress.delete(key));
  }
}

/** One address, and the shares on it. */
class Listener {
  readonly #shares = new Set<ShareOptions>();
  /** Those that want it open. */
  readonly #active = new Set<ShareOptions>();
  #server: HttpServer | undefined;
  #certificates: Certificates | undefined;
  /** What the server was made with. */
  #made = ANY_SERVING;
  #listening: Promise<void> | undefined;

  add(options: ShareOptions, onEmpty: () => void): Share {
    this.#shares.add(options);
    const server = (): HttpServer | undefined => this.#server;
    return {
      get address() {
        return server()?.addresses[0] ?? options.address;
      },
      get endpoint() {
        return describeAddresses(server()?.addresses ?? [options.address]);
      },
      listen: () => this.#listen(options),
      refresh: async () => await this.#certificates?.load(),
      close: async (deadline) => {
        this.#shares.delete(options);
        this.#active.delete(options);
        if (this.#shares.size === 0) onEmpty();
        if (this.#active.size > 0) return;
        const closing = this.#server;
        this.#certificates?.close();
        this.#server = undefined;
        this.#certificates = undefined;
        this.#listening = undefined;
        await closing?.close(deadline);
      },
    };
  }

  async #listen(options: ShareOptions): Promise<void> {
    this.#check(options);
    this.#active.add(options);
    this.#listening ??= this.#start(options);
    await this.#listening;
  }

  async #start({ address, owner }: ShareOptions): Promise<void> {
    const shares = [...this.#shares];
    const joint = jointServing(shares.map(({ serving }) => serving));
    const { tls, limits = defaultServerLimits, timeouts = defaultServerTimeouts, allowedHosts, auth } = joint;
    this.#made = { ...joint, limits, timeouts };
    const secured = shares.find(({ serving }) => serving.tls !== undefined);
    const { clock, logger, meter } = owner.settings;
    const server = new HttpServer({
      address,
      clock,
      tls: tls === undefined ? undefined : { asksClients: tls.clientCaFile !== undefined },
      limits,
      allowedHosts,
      authenticate: auth === undefined ? undefined : authenticationBy(owner.settings.host, auth),
      timeouts,
      rejections: new Rejections({ listener: describeAddress(address), logger, clock, meter }),
      route: (path) => this.#route(path),
      onError: (error) => this.#logTrouble(error),
    });
    this.#server = server;
    if (tls !== undefined && secured !== undefined) {
      this.#certificates = serverCertificates(tls, secured.owner, (options) => server.secure(options));
      await this.#certificates.load();
    }
    await server.listen();
  }

  #logTrouble(error: Error): void {
    const [first] = this.#shares;
    first?.owner.settings.logger.warn({ error: error.message }, "Listener has trouble; it goes on.");
  }

  #route(path: string): Route | undefined {
    let best: ShareOptions | undefined;
    for (const share of this.#shares)
      if (share.routes.has(path) && (best === undefined || share.rank > best.rank)) best = share;
    return best?.routes.get(path);
  }

  /** Throws where a share cannot stand beside another one. */
  #check(share: ShareOptions): void {
    const where = describeAddress(share.address);
    if (this.#server !== undefined) {
      for (const [key, option] of SERVING_OPTIONS)
        if (isOther(share.serving[key], this.#made[key]))
          throw new Error(
            `${nameOf(share)} wants other ${option} than ${where} is served with; that needs a restart`,
          );
    }
    for (const other of this.#shares) {
      if (other === share) continue;
      const both = `${nameOf(share)} and ${nameOf(other)} share ${where}`;
      for (const [key, option] of SERVING_OPTIONS) {
        const theirs = other.serving[key];
        if (theirs !== undefined && isOther(share.serving[key], theirs))
          throw new Error(`${both} and differ in ${option}`);
      }
      const path = [...share.routes.keys()].find((one) => other.routes.has(one));
      if (path !== undefined && other.rank === share.rank) throw new Error(`${both} and both serve ${path}`);
    }
  }
}

/** Whether what is wanted is something, and not this. */
function isOther(wanted: unknown, had: unknown): boolean {
  return wanted !== undefined && !isDeepStrictEqual(wanted, had);
}

function nameOf({ owner }: ShareOptions): string {
  return `${owner.kind} "${owner.settings.id}"`;
}

/** The listeners of one agent. */
export const LISTENERS: Single<Listeners> = { name: "listeners", make: () => new Listeners() };
