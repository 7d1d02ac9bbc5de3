// SPDX-License-Identifier: Apache-2.0
import type { SecureContext } from "node:tls";
import type { ClientAuthenticator } from "../../auth/authenticator.ts";
import { offeredAuthenticator } from "../../auth/offered.ts";
import type { Settings } from "../../component/component.ts";
import type { Send } from "../../delivery/attempt.ts";
import type { Transport } from "../../delivery/push_exporter.ts";
import { addressOf } from "../../grpc_client/connector.ts";
import type { Answer } from "../../peer/answer.ts";
import type { ForwardProxy } from "../../proxy/proxy_url.ts";
import type { Certificates } from "../../tls/certificates.ts";
import { clientCertificates } from "../../tls/client_context.ts";
import { createOtlpGrpcClient, isPlain, type OtlpGrpcClient, proxyBefore } from "./client.ts";
import type { OtlpGrpcConfig } from "./config.ts";

const NOT_CONNECTED: Answer = {
  kind: "busy",
  status: "internal",
  error: "BUG: sending before the certificates were read",
};

/** The connection to an OTLP server. With TLS, a new connection is made when the certificates have changed. */
export class OtlpGrpcTransport implements Transport {
  readonly #config: OtlpGrpcConfig;
  readonly #settings: Settings;
  readonly #authenticator: ClientAuthenticator | undefined;
  readonly #certificates: Certificates | undefined;
  readonly #proxy: ForwardProxy | undefined;
  #client: OtlpGrpcClient | undefined;

  /**
   * Callers use `openOtlpGrpc`, which reads the certificates too. Throws if the config's authenticator does not exist.
   */
  constructor(config: OtlpGrpcConfig, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    this.#authenticator = offeredAuthenticator(settings.host, config.auth?.authenticator, "grpc");
    this.#proxy = proxyBefore(config, settings.env);
    if (isPlain(config) && this.#proxy?.isTls !== true) this.#connect(undefined);
    else
      this.#certificates = clientCertificates(config.tls, { kind: "exporter", settings }, (context) =>
        this.#connect(context),
      );
  }

  send: Send = (...request) => this.#client?.send(...request) ?? Promise.resolve(NOT_CONNECTED);

  /** Reads the certificates from their files again. If they are faulty, rejects and keeps using the old ones. */
  async refresh(): Promise<void> {
    await this.#certificates?.load();
  }

  /** Logs the proxy, if there is one. */
  logProxy(): void {
    if (this.#proxy === undefined) return;
    const endpoint = addressOf(this.#config.endpoint.place);
    this.#settings.logger.info({ endpoint, proxy: this.#proxy.address }, "Requests go through a proxy.");
  }

  /** Closes the connection. Calls that are under way end first. */
  close(): void {
    this.#certificates?.close();
    this.#client?.close();
  }

  #connect(secureContext: SecureContext | undefined): void {
    // `close` lets calls that are still under way end on the old connection.
    this.#client?.close();
    this.#client = createOtlpGrpcClient(this.#config, this.#settings, {
      proxy: this.#proxy,
      authenticator: this.#authenticator,
      secureContext,
    });
  }
}

/**
 * Makes a transport and reads the config's certificates. Rejects if they are faulty. Does not wait for a connection.
 */
export async function openOtlpGrpc(config: OtlpGrpcConfig, settings: Settings): Promise<OtlpGrpcTransport> {
  const transport = new OtlpGrpcTransport(config, settings);
  await transport.refresh();
  transport.logProxy();
  return transport;
}
