// SPDX-License-Identifier: Apache-2.0
import type { SecureContext } from "node:tls";
import { answerWithoutCredentials, sendAuthenticated } from "../../auth/attempt.ts";
import type { ClientAuthenticator, RequestHeaders, UnsentRequest } from "../../auth/authenticator.ts";
import type { Settings } from "../../component/component.ts";
import type { Send } from "../../delivery/attempt.ts";
import type { Answer } from "../../peer/answer.ts";
import { chooseProxy } from "../../proxy/choose.ts";
import type { ForwardProxy } from "../../proxy/proxy_url.ts";
import { GrpcClient } from "../../push_grpc/client.ts";
import { addressOf, GrpcConnector } from "../../push_grpc/connector.ts";
import { GrpcPeers, systemLookup } from "../../push_grpc/peers.ts";
import { codeName, GrpcCode } from "../../push_grpc/status.ts";
import type { OtlpGrpcConfig } from "./config.ts";
import { answerOfFailure, answerOfResponse } from "./outcome.ts";

export interface OtlpGrpcClientOptions {
  readonly client: GrpcClient;
  /** The target as a user would write it. */
  readonly endpoint: string;
  /** The same with the proxy before it, for errors. */
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly authenticator: ClientAuthenticator | undefined;
}

const EXPORT_PATH = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/**
 * So many attempts in a row that meet nothing but their deadline make a new connection: one whose peer has vanished
 * without a word looks healthy until TCP gives up, after a quarter of an hour.
 */
const DEADLINES_IN_A_ROW_MAX = 3;

/** Sends encoded requests to an OTLP server. Makes no attempt of its own to repeat anything. */
export class OtlpGrpcClient {
  readonly #options: OtlpGrpcClientOptions;
  /** What an authenticator sees of each request, beside its body. */
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
    this.#count(answer.kind !== "delivered" && answer.status === codeName(GrpcCode.DEADLINE_EXCEEDED));
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

  #count(isLate: boolean): void {
    this.#deadlinesInARow = isLate ? this.#deadlinesInARow + 1 : 0;
    if (this.#deadlinesInARow < DEADLINES_IN_A_ROW_MAX) return;
    this.#deadlinesInARow = 0;
    // Calls that are still open on the old connection end by themselves.
    this.#options.client.reset();
  }
}

/** Whether requests go out in the clear: the endpoint's scheme decides, and where it has none, `tls::insecure`. */
export function isPlain({ endpoint, tls }: OtlpGrpcConfig): boolean {
  return endpoint.security === "plain" || (endpoint.security === "configured" && tls.insecure);
}

/** The proxy on the way to the endpoint. Throws, with words for the user, where the environment names none that works. */
export function proxyBefore(
  { endpoint, proxy_url }: OtlpGrpcConfig,
  env: Settings["env"],
): ForwardProxy | undefined {
  if ("path" in endpoint.place) return undefined;
  return chooseProxy({ target: endpoint.place, option: proxy_url, variable: "HTTPS_PROXY", env });
}

export interface Way {
  readonly proxy: ForwardProxy | undefined;
  /** For TLS with the server or the proxy; undefined where there is none. */
  readonly secureContext: SecureContext | undefined;
  readonly authenticator: ClientAuthenticator | undefined;
}

/** A client as the config wants it. It does not connect yet. */
export function createOtlpGrpcClient(
  config: OtlpGrpcConfig,
  { clock, build }: Pick<Settings, "clock" | "build">,
  way: Way,
): OtlpGrpcClient {
  const { compression, balancer_name: balancer } = config;
  const { place } = config.endpoint;
  const address = addressOf(place);
  const host = "path" in place ? "localhost" : place.host;
  const tls = tlsOf(config, way);
  const { proxy, secureContext } = way;
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
    userAgent: config.user_agent ?? `${build.command}/${build.version}`,
    waitForReady: config.wait_for_ready,
    clock,
  });
  const where = proxy === undefined ? address : `${address} through proxy ${proxy.address}`;
  const { headers, timeout: timeoutMs } = config;
  const { authenticator } = way;
  return new OtlpGrpcClient({ client, endpoint: address, address: where, headers, timeoutMs, authenticator });
}

function tlsOf(config: OtlpGrpcConfig, { secureContext }: Way) {
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
  if (keepalive.time === undefined) return undefined;
  const { time: timeMs, timeout: timeoutMs, permit_without_stream: whenIdle } = keepalive;
  return { timeMs, timeoutMs, whenIdle };
}
