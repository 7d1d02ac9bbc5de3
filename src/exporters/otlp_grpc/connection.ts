import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import { offeredAuthenticator } from "../../auth/offered.ts";
import type { ClientAuthenticator } from "../../component/authenticator.ts";
import type { Settings } from "../../component/component.ts";
import type { Answer } from "../../delivery/answer.ts";
import type { Transport } from "../../delivery/push_exporter.ts";
import type { Send } from "../../delivery/sender.ts";
import type { Certificates } from "../../tls/certificates.ts";
import { clientCertificates } from "../../tls/client_context.ts";
import { channelOptions, OtlpGrpcClient } from "./client.ts";
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
  #client: OtlpGrpcClient | undefined;

  /** Use `connectGrpc`, which reads the certificates. Throws where there is no authenticator as the config says. */
  constructor(config: OtlpGrpcConfig, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    this.#authenticator = offeredAuthenticator(settings.host, config.auth?.authenticator, "grpc");
    if (isPlain(config)) this.#connect(credentials.createInsecure());
    else
      this.#certificates = clientCertificates(config.tls, { kind: "exporter", settings }, (context) => {
        const rejectUnauthorized = !config.tls.insecure_skip_verify;
        this.#connect(credentials.createFromSecureContext(context, { rejectUnauthorized }));
      });
  }

  send: Send = (...request) => this.#client?.send(...request) ?? Promise.resolve(NOT_CONNECTED);

  /** Goes over to the certificates that the files hold now. Rejects where they are no good; the old ones then stay in use. */
  async refresh(): Promise<void> {
    await this.#certificates?.load();
  }

  /** What is on its way ends by itself. */
  close(): void {
    this.#certificates?.close();
    this.#client?.close();
  }

  #connect(channelCredentials: ChannelCredentials): void {
    const { endpoint, tls, headers, timeout, wait_for_ready } = this.#config;
    const { build } = this.#settings;
    // Requests that are on their way end on the old connection.
    this.#client?.close();
    this.#client = new OtlpGrpcClient({
      target: endpoint.target,
      credentials: channelCredentials,
      headers,
      timeoutMs: timeout,
      waitForReady: wait_for_ready,
      authenticator: this.#authenticator,
      channel: channelOptions({
        compression: this.#config.compression,
        userAgent: this.#config.user_agent ?? `${build.command}/${build.version}`,
        balancer: this.#config.balancer_name,
        keepalive: this.#config.keepalive,
        authority: this.#config.authority,
        serverName: tls.server_name_override,
      }),
    });
  }
}

/** Reads the certificates that the config names. Rejects where that fails; it does not wait for the server. */
export async function connectGrpc(config: OtlpGrpcConfig, settings: Settings): Promise<GrpcConnection> {
  const connection = new GrpcConnection(config, settings);
  await connection.refresh();
  return connection;
}

function isPlain({ endpoint, tls }: OtlpGrpcConfig): boolean {
  return endpoint.security === "plain" || (endpoint.security === "configured" && tls.insecure);
}
