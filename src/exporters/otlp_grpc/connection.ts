// SPDX-License-Identifier: Apache-2.0
import type { SecureContext } from "node:tls";
import type { ClientAuthenticator } from "../../auth/authenticator.ts";
import { offeredAuthenticator } from "../../auth/offered.ts";
import type { Settings } from "../../component/component.ts";
import type { Send } from "../../delivery/attempt.ts";
import type { Transport } from "../../delivery/push_exporter.ts";
import type { Answer } from "../../peer/answer.ts";
import type { ForwardProxy } from "../../proxy/proxy_url.ts";
import { addressOf } from "../../push_grpc/connector.ts";
import type { Certificates } from "../../tls/certificates.ts";
import { clientCertificates } from "../../tls/client_context.ts";
import { createOtlpGrpcClient, isPlain, type OtlpGrpcClient, proxyBefore } from "./client.ts";
import type { OtlpGrpcConfig } from "./config.ts";

const NOT_CONNECTED: Answer = {
  kind: "busy",
  status: "internal",
  error: "BUG: sending before the certificates were read",
};

/** The connection to an OTLP server. Where it is TLS, a new one is made whenever the certificates have changed. */
export class GrpcConnection implements Transport {
  readonly #config: OtlpGrpcConfig;
  readonly #settings: Settings;
  readonly #authenticator: ClientAuthenticator | undefined;
  readonly #certificates: Certificates | undefined;
  readonly #proxy: ForwardProxy | undefined;
  #client: OtlpGrpcClient | undefined;

  /** Use `connectGrpc`, which reads the certificates. Throws where there is no authenticator as the config says. */
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

  /** Goes over to the certificates that the files hold now. Rejects where they are no good; the old ones then stay in use. */
  async refresh(): Promise<void> {
    await this.#certificates?.load();
  }

  /** Says in the log which proxy is on the way, where there is one. */
  announce(): void {
    if (this.#proxy === undefined) return;
    const endpoint = addressOf(this.#config.endpoint.place);
    this.#settings.logger.info({ endpoint, proxy: this.#proxy.address }, "Requests go through a proxy.");
  }

  /** What is on its way ends by itself. */
  close(): void {
    this.#certificates?.close();
    this.#client?.close();
  }

  #connect(secureContext: SecureContext | undefined): void {
    // Requests that are on their way end on the old connection.
    this.#client?.close();
    this.#client = createOtlpGrpcClient(this.#config, this.#settings, {
      proxy: this.#proxy,
      authenticator: this.#authenticator,
      secureContext,
    });
  }
}

/** Reads the certificates that the config names. Rejects where that fails; it does not wait for the server. */
export async function connectGrpc(config: OtlpGrpcConfig, settings: Settings): Promise<GrpcConnection> {
  const connection = new GrpcConnection(config, settings);
  await connection.refresh();
  connection.announce();
  return connection;
}
