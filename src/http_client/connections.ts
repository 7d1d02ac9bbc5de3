// SPDX-License-Identifier: Apache-2.0
import type { Agent } from "node:http";
import type { SecureContext } from "node:tls";
import type { CertificateOwner, Certificates } from "../tls/certificates.ts";
import { clientCertificates } from "../tls/client_context.ts";
import type { HttpClientConfig } from "./config.ts";
import { createAgent, type HttpRoute, routeTo } from "./route.ts";
import type { PushUrl } from "./url.ts";

/** The URL to which connections lead, how they are made, and the component that uses them. */
export interface HttpConnectionsOptions {
  readonly url: PushUrl;
  readonly config: HttpClientConfig;
  readonly owner: CertificateOwner;
}

/** The connections to one URL. New connections over TLS use the certificates that were read last. */
export class HttpConnections {
  readonly route: HttpRoute;
  readonly #certificates: Certificates | undefined;
  /** The connections for new requests; undefined for a route over TLS until `open` has read the certificates. */
  #current: Generation | undefined;

  /** Throws, with a message for the user, if the environment names a proxy that cannot be used. */
  constructor({ url, config, owner }: HttpConnectionsOptions) {
    const { clock, env } = owner.settings;
    const route = routeTo({ url, config, env });
    this.route = route;
    const agentWith = (secureContext: SecureContext | undefined): Agent =>
      createAgent({ url, config, route, secureContext, clock });
    if (!route.isTls && route.proxy?.isTls !== true) {
      this.#current = new Generation(agentWith(undefined));
      return;
    }
    this.#certificates = clientCertificates(config.tls, owner, (secureContext) => {
      const agent = agentWith(secureContext);
      this.#current?.retire();
      this.#current = new Generation(agent);
    });
  }

  /** Reads the certificates. Rejects if they cannot be used. Opens no connection yet. */
  async open(): Promise<void> {
    await this.#certificates?.load();
  }

  /** Reads the certificates again. Rejects if they cannot be used; the old ones then stay in use. */
  async refresh(): Promise<void> {
    await this.#certificates?.load();
  }

  /**
   * Runs `work` with the current connections. They stay open until `work` ends, even if new certificates replace them.
   */
  async use<T>(work: (agent: Agent) => Promise<T>): Promise<T> {
    if (this.#current === undefined) throw new Error("BUG: connections are used before they are opened");
    return await this.#current.use(work);
  }

  /** Closes the connections as soon as nobody uses them. */
  close(): void {
    this.#certificates?.close();
    this.#current?.retire();
  }
}

/** The connections that are made with one set of certificates. New certificates retire them. */
class Generation {
  readonly #agent: Agent;
  #users = 0;
  #isRetired = false;

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  async use<T>(work: (agent: Agent) => Promise<T>): Promise<T> {
    this.#users++;
    try {
      return await work(this.#agent);
    } finally {
      this.#users--;
      if (this.#isRetired) this.retire();
    }
  }

  /** Closes the connections as soon as no `work` uses them, which may be now. */
  retire(): void {
    this.#isRetired = true;
    if (this.#users === 0) this.#agent.destroy();
  }
}
