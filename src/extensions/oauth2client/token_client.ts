// SPDX-License-Identifier: Apache-2.0
import type { Agent } from "node:http";
import type { Settings } from "../../component/component.ts";
import type { PushAnswer } from "../../http_client/answer.ts";
import type { HttpClientConfig } from "../../http_client/config.ts";
import { HttpConnections } from "../../http_client/connections.ts";
import { postOnce } from "../../http_client/post.ts";
import type { PushUrl } from "../../http_client/url.ts";
import { formatDuration } from "../../options/values.ts";
import type { ClientTlsConfig } from "../../tls/client_config.ts";

/** The token endpoint, and how requests to it are made. */
export interface TokenClientOptions {
  readonly url: PushUrl;
  readonly tls: ClientTlsConfig;
  /** The deadline of one request; 0 for none. */
  readonly timeoutMs: number;
  /** The settings of the extension. */
  readonly settings: Settings;
}

/** Connections are closed after each request, since tokens are asked for seldom. */
const ONE_REQUEST_EACH: Omit<HttpClientConfig, "tls"> = {
  auth: undefined,
  headers: {},
  proxy: undefined,
  idleConnectionsMax: Number.POSITIVE_INFINITY,
  connectionsMax: Number.POSITIVE_INFINITY,
  idleTimeoutMs: 0,
  keepAlives: false,
};

/** Posts forms to a token endpoint. */
export class TokenClient {
  readonly #options: TokenClientOptions;
  readonly #connections: HttpConnections;
  readonly #open = new Set<AbortController>();

  constructor(options: TokenClientOptions) {
    const { url, tls, settings } = options;
    this.#options = options;
    const config = { ...ONE_REQUEST_EACH, tls };
    this.#connections = new HttpConnections({ url, config, owner: { kind: "extension", settings } });
  }

  /**
   * Reads the certificates that the options name. The caller must call `load` before `post`. Rejects if they cannot
   * be used.
   */
  load(): Promise<void> {
    return this.#connections.refresh();
  }

  /** Posts a form. Rejects if no answer comes before the deadline or before `close`. */
  async post(form: URLSearchParams, headers: Readonly<Record<string, string>>): Promise<PushAnswer> {
    const { timeoutMs, settings } = this.#options;
    const controller = new AbortController();
    const late = (): void => controller.abort(new Error(`no answer within ${formatDuration(timeoutMs)}`));
    const cancel = timeoutMs === 0 ? () => {} : settings.clock.after(timeoutMs, late);
    this.#open.add(controller);
    try {
      return await this.#connections.use((agent) =>
        this.#exchange(form.toString(), headers, { agent, signal: controller.signal }),
      );
    } finally {
      cancel();
      this.#open.delete(controller);
    }
  }

  /** Aborts the requests that are being made. */
  close(): void {
    for (const controller of this.#open) controller.abort(new Error("the extension has stopped"));
    this.#connections.close();
  }

  async #exchange(
    body: string,
    headers: Readonly<Record<string, string>>,
    { agent, signal }: { readonly agent: Agent; readonly signal: AbortSignal },
  ): Promise<PushAnswer> {
    const result = await postOnce(this.#connections.route, body, {
      agent,
      signal,
      headers: {
        ...headers,
        accept: "application/json",
        "content-type": "application/x-www-form-urlencoded",
      },
    });
    signal.throwIfAborted();
    if ("error" in result) throw result.error;
    return result;
  }
}
