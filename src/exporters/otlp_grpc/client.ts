// SPDX-License-Identifier: Apache-2.0
import type { SecureContext } from "node:tls";
import { answerWithoutCredentials, sendAuthenticated } from "../../auth/attempt.ts";
import type { ClientAuthenticator, RequestHeaders, UnsentRequest } from "../../auth/authenticator.ts";
import type { Settings } from "../../component/component.ts";
import type { Send } from "../../delivery/attempt.ts";
import { GrpcClient } from "../../grpc_client/client.ts";
import { addressOf, GrpcConnector } from "../../grpc_client/connector.ts";
import { GrpcPeers, systemLookup } from "../../grpc_client/peers.ts";
import { codeName, GrpcCode } from "../../grpc_client/status.ts";
import type { Answer } from "../../peer/answer.ts";
import { chooseProxy } from "../../proxy/choose.ts";
import type { ForwardProxy } from "../../proxy/proxy_url.ts";
import type { OtlpGrpcConfig } from "./config.ts";
import { answerOfFailure, answerOfResponse } from "./outcome.ts";

/** A gRPC client, and the parts of its requests. */
export interface OtlpGrpcClientOptions {
  readonly client: GrpcClient;
  /** The server as `host:port` or `unix:path`. */
  readonly endpoint: string;
  /** The server, and the proxy in front of it if there is one, as error messages name them. */
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly authenticator: ClientAuthenticator | undefined;
}

const EXPORT_PATH = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/**
 * When this many attempts in a row have failed at their deadline, the next one gets a new connection. The connection to
 * a peer that has vanished looks healthy until TCP gives up, which takes about 15 minutes.
 */
const DEADLINES_IN_A_ROW_MAX = 3;

/** Sends encoded requests to an OTLP server. It makes one attempt for each; `delivery/` retries. */
export class OtlpGrpcClient {
  readonly #options: OtlpGrpcClientOptions;
  /** Method, URL and headers of all requests. The authenticator gets them together with each request's body. */
  readonly #unsent: Omit<UnsentRequest, "body">;
  #deadlinesInARow = 0;

  constructor(options: OtlpGrpcClientOptions) {
    this.#options = options;
    const headers = Object.entries(options.headers).map(([name, value]) => [name.toLowerCase(), value]);
    this.#unsent = {
      method: "POST",
      url: `${options.endpoint}${EXPORT_PATH}`,
      headers: Object.fromEntries(headers) as RequestHeaders,
    };
  }

  send: Send = async ({ parts }, signal) => {
    const answer = await this.#attempt(Buffer.concat(parts), signal);
    this.#noteDeadline(answer.kind !== "delivered" && answer.status === codeName(GrpcCode.DEADLINE_EXCEEDED));
    return answer;
  };

  close(): void {
    this.#options.client.close();
  }

  async #attempt(body: Buffer, signal: AbortSignal): Promise<Answer> {
    const { authenticator, address } = this.#options;
    try {
      return await sendAuthenticated(
        authenticator,
        { ...this.#unsent, body },
        {
          signal,
          send: (headers) => this.#call(headers, body, signal),
          isRefused: (answer) =>
            answer.kind !== "delivered" && answer.status === codeName(GrpcCode.UNAUTHENTICATED),
        },
      );
    } catch (error) {
      return answerWithoutCredentials(error, address);
    }
  }

  async #call(headers: RequestHeaders, body: Buffer, signal: AbortSignal): Promise<Answer> {
    const { client, address, timeoutMs } = this.#options;
    const answer = await client.unary({ path: EXPORT_PATH, parts: [body], headers, timeoutMs, signal });
    return answer.ok ? answerOfResponse(answer.message) : answerOfFailure(answer.failure, address);
  }

  #noteDeadline(isLate: boolean): void {
    this.#deadlinesInARow = isLate ? this.#deadlinesInARow + 1 : 0;
    if (this.#deadlinesInARow < DEADLINES_IN_A_ROW_MAX) return;
    this.#deadlinesInARow = 0;
    // `reset` lets calls that are still under way end on the old connection.
    this.#options.client.reset();
  }
}

/** Whether requests are sent without TLS: the endpoint's scheme decides or, without a scheme, `tls::insecure`. */
export function isPlain({ endpoint, tls }: OtlpGrpcConfig): boolean {
  return endpoint.security === "plain" || (endpoint.security === "configured" && tls.insecure);
}

/**
 * Returns the proxy in front of the endpoint, if any. Throws, with a message for the user, if the environment names a
 * proxy that cannot be used.
 */
export function proxyBefore(
  { endpoint, proxy }: OtlpGrpcConfig,
  env: Settings["env"],
): ForwardProxy | undefined {
  if ("path" in endpoint.place) return undefined;
  return chooseProxy({ target: endpoint.place, option: proxy, variable: "HTTPS_PROXY", env });
}

/** The parts of a client that its caller makes. */
export interface ClientParts {
  readonly proxy: ForwardProxy | undefined;
  /** The certificates for TLS with the server or the proxy; undefined if neither has TLS. */
  readonly secureContext: SecureContext | undefined;
  readonly authenticator: ClientAuthenticator | undefined;
}

/** Makes a client as the config says. It does not connect yet. */
export function createOtlpGrpcClient(
  config: OtlpGrpcConfig,
  { clock, build }: Pick<Settings, "clock" | "build">,
  parts: ClientParts,
): OtlpGrpcClient {
  const { compression, balancer, waitForReady } = config;
  const { place } = config.endpoint;
  const address = addressOf(place);
  const host = "path" in place ? "localhost" : place.host;
  const tls = tlsOf(config, parts);
  const { proxy, secureContext, authenticator } = parts;
  const connector = new GrpcConnector({
    proxy,
    secureContext,
    host,
    tls,
    keepalive: keepaliveOf(config),
    clock,
  });
  const isResolvedElsewhere = proxy !== undefined;
  const client = new GrpcClient({
    peers: new GrpcPeers({
      ...{ target: place, connector, balancer, isResolvedElsewhere, clock },
      lookup: systemLookup,
    }),
    authority: config.authority ?? ("path" in place ? host : address),
    isTls: tls !== undefined,
    encoding: compression === "none" ? "identity" : compression,
    userAgent: config.userAgent ?? `${build.command}/${build.version}`,
    waitForReady,
    clock,
  });
  const where = proxy === undefined ? address : `${address} through proxy ${proxy.address}`;
  const { headers, timeoutMs } = config;
  return new OtlpGrpcClient({ client, endpoint: address, address: where, headers, timeoutMs, authenticator });
}

function tlsOf(config: OtlpGrpcConfig, { secureContext }: ClientParts) {
  if (isPlain(config)) return undefined;
  if (secureContext === undefined) throw new Error("BUG: connecting before the certificates were read");
  const { tls } = config;
  return {
    secureContext,
    rejectUnauthorized: !tls.insecureSkipVerify,
    serverName: tls.serverName,
    hasCertificate: tls.cert !== undefined,
  };
}

function keepaliveOf({ keepalive }: OtlpGrpcConfig) {
  if (keepalive.idleMs === undefined) return undefined;
  const { idleMs: timeMs, timeoutMs, permitWithoutStream: whenIdle } = keepalive;
  return { timeMs, timeoutMs, whenIdle };
}
