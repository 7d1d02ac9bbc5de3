import { Agent, type AgentOptions } from "node:http";
import { Agent as TlsAgent } from "node:https";
import { isIP } from "node:net";
import type { CertificateOwner, Certificates } from "../tls/certificates.ts";
import { clientCertificates } from "../tls/client_context.ts";
import type { HttpClientConfig } from "./config.ts";
import type { PushUrl } from "./url.ts";

export interface HttpConnectionsOptions {
  readonly url: PushUrl;
  readonly config: HttpClientConfig;
  readonly owner: CertificateOwner;
}

/** The connections to one URL. Where that is https, new ones are made with the certificates that the files hold now. */
export class HttpConnections {
  readonly #certificates: Certificates | undefined;
  /** Undefined before `open`. */
  #current: Generation | undefined;

  constructor({ url, config, owner }: HttpConnectionsOptions) {
    const { tls } = config;
    const limits = limitsOf(config);
    if (!url.isTls) {
      this.#current = new Generation(new Agent(limits));
      return;
    }
    this.#certificates = clientCertificates(tls, owner, (secureContext) => {
      const agent = new TlsAgent({
        ...limits,
        secureContext,
        rejectUnauthorized: !tls.insecure_skip_verify,
        // Without it, a header "host" would say whose certificate is good. An address is not sent as a name.
        servername: tls.server_name_override ?? (isIP(url.host) === 0 ? url.host : ""),
      });
      this.#current?.retire();
      this.#current = new Generation(agent);
    });
  }

  /** Reads the certificates, and does not connect yet. Rejects where they are no good. */
  async open(): Promise<void> {
    await this.#certificates?.load();
  }

  /** Reads the certificates again. Rejects where they are no good; the old ones then stay in use. */
  async refresh(): Promise<void> {
    await this.#certificates?.load();
  }

  /** Lends connections to one piece of work, which keeps them though others take their place meanwhile. */
  async use<T>(work: (agent: Agent) => Promise<T>): Promise<T> {
    if (this.#current === undefined) throw new Error("BUG: connections are used before they are opened");
    return await this.#current.use(work);
  }

  /** What is on its way ends by itself; after that no connection is left. */
  close(): void {
    this.#certificates?.close();
    this.#current?.retire();
  }
}

/** Connections that are made with the same certificates. */
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

  /** Closes the connections when nobody uses them any more. */
  retire(): void {
    this.#isRetired = true;
    if (this.#users === 0) this.#agent.destroy();
  }
}

function limitsOf(config: HttpClientConfig): AgentOptions {
  const { max_idle_conns, max_idle_conns_per_host = 0, max_conns_per_host, idle_conn_timeout } = config;
  return {
    keepAlive: !config.disable_keep_alives,
    maxFreeSockets: Math.min(orNoLimit(max_idle_conns), orNoLimit(max_idle_conns_per_host)),
    maxSockets: orNoLimit(max_conns_per_host),
    // The agent heeds it for connections that wait; requests have their own deadline.
    ...(idle_conn_timeout === 0 ? {} : { timeout: idle_conn_timeout }),
  };
}

/** Of a Go transport 0 is no limit. */
function orNoLimit(count: number): number {
  return count === 0 ? Number.POSITIVE_INFINITY : count;
}
