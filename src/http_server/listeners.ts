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

/** The routes that a component serves, and the address and options of their listener. */
export interface ShareOptions {
  /** The component that has the share. */
  readonly owner: CertificateOwner;
  readonly address: ListenAddress;
  readonly serving: Serving;
  /** The routes by their paths. */
  readonly routes: ReadonlyMap<string, Route>;
  /** Where two shares have the same path, the one with the higher rank serves it. Equal ranks are an error. */
  readonly rank: number;
}

/** A component's share of a listener, which other components at the same address may share too. */
export interface Share {
  /** The first address of the listener. Port 0 is replaced by the real port once it listens. */
  readonly address: ListenAddress;
  /** All addresses of the listener, as a text for the log. */
  readonly endpoint: string;
  /** Opens the listener, unless another share has opened it. Rejects with the address and the cause. */
  listen(): Promise<void>;
  /** Reads the certificate's files again. Rejects where they cannot be used; the old certificate then stays in use. */
  refresh(): Promise<void>;
  /**
   * Withdraws the routes. The last share that closes also closes the listener, and waits for running requests until
   * `deadline` aborts.
   */
  close(deadline: AbortSignal): Promise<void>;
}

/** The agent's HTTP listeners. Components with the same address share one listener. */
export class Listeners {
  readonly #byAddress = new Map<string, Listener>();

  /** Registers a share. Nothing is opened until the caller calls `listen` on it. */
  share(options: ShareOptions): Share {
    const { address } = options;
    // The system chooses another port for each port 0, so its listener is never shared.
    if ("port" in address && address.port === 0) return new Listener().add(options, () => {});
    const key = describeAddress(address);
    const listener = this.#byAddress.get(key) ?? new Listener();
    this.#byAddress.set(key, listener);
    return listener.add(options, () => this.#byAddress.delete(key));
  }
}

/** The listener at one address, for all shares of the address. */
class Listener {
  readonly #shares = new Set<ShareOptions>();
  /** The shares on which `listen` was called. */
  readonly #active = new Set<ShareOptions>();
  #server: HttpServer | undefined;
  #certificates: Certificates | undefined;
  /** The options with which `#server` was made. */
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
      onError: (error) => this.#logError(error),
    });
    this.#server = server;
    if (tls !== undefined && secured !== undefined) {
      this.#certificates = serverCertificates(tls, secured.owner, (options) => server.secure(options));
      await this.#certificates.load();
    }
    await server.listen();
  }

  #logError(error: Error): void {
    const [first] = this.#shares;
    first?.owner.settings.logger.warn({ error: error.message }, "Listener has trouble; it goes on.");
  }

  #route(path: string): Route | undefined {
    let best: ShareOptions | undefined;
    for (const share of this.#shares)
      if (share.routes.has(path) && (best === undefined || share.rank > best.rank)) best = share;
    return best?.routes.get(path);
  }

  /** Throws where an option or a path of the share conflicts with the running server or with another share. */
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

/** Returns whether an option is set and differs from the value in use. */
function isOther(wanted: unknown, had: unknown): boolean {
  return wanted !== undefined && !isDeepStrictEqual(wanted, had);
}

function nameOf({ owner }: ShareOptions): string {
  return `${owner.kind} "${owner.settings.id}"`;
}

/** The key by which components find the listeners of their agent. */
export const LISTENERS: Single<Listeners> = { make: () => new Listeners() };
