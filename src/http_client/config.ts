// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { type AuthConfig, authSchema } from "../auth/config.ts";
import { headersOption, httpHeaderName } from "../options/headers.ts";
import { duration, unsupported } from "../options/values.ts";
import { type ForwardProxy, proxyUrl } from "../proxy/proxy_url.ts";
import { type ClientTlsConfig, clientTlsSchema } from "../tls/client_config.ts";

/** How an exporter over HTTP connects: the Collector's `confighttp` of clients. */
export interface HttpClientConfig {
  readonly auth: AuthConfig | undefined;
  readonly tls: ClientTlsConfig;
  /** The headers that are sent with every request. */
  readonly headers: Readonly<Record<string, string>>;
  /** The proxy to go through; undefined leaves it to the environment. */
  readonly proxy: ForwardProxy | "none" | undefined;
  /** The most connections that stay open without a request; further ones are closed. `Infinity` for no limit. */
  readonly idleConnectionsMax: number;
  /** The most connections that are open; further requests wait for one. `Infinity` for no limit. */
  readonly connectionsMax: number;
  /** A connection that has had no request for this long is closed; 0 for never. */
  readonly idleTimeoutMs: number;
  /** Whether a connection may carry more than one request. */
  readonly keepAlives: boolean;
}

const connections = (what: string) => z.int().min(0).describe(`${what}; 0 for no limit`);

/**
 * The options of an HTTP client by their names in YAML, as `httpClientOptions` gives them: times in milliseconds, and
 * counts of which 0 means no limit.
 */
export type HttpClientOptions = Pick<HttpClientConfig, "auth" | "tls" | "headers"> &
  Readonly<Record<"proxy_url", ForwardProxy | "none" | undefined>> &
  Readonly<Record<"max_idle_conns" | "max_conns_per_host" | "idle_conn_timeout", number>> &
  Readonly<Record<"max_idle_conns_per_host", number | undefined>> &
  Readonly<Record<"disable_keep_alives", boolean>>;

/**
 * The schemas of an HTTP client's options, for the component's own strict object, whose transform calls
 * `toHttpClientConfig`.
 */
export const httpClientOptions: {
  readonly [Key in keyof HttpClientOptions]-?: z.ZodType<HttpClientOptions[Key], unknown>;
} = {
  auth: authSchema,
  tls: clientTlsSchema.prefault({}).describe("How to secure the connection, where the URL is https://"),
  headers: headersOption(httpHeaderName).default({}).describe("Sent with every request"),
  proxy_url: proxyUrl().optional(),
  max_idle_conns: connections("Connections that are kept open for the next request").default(100),
  max_idle_conns_per_host: connections("The same as max_idle_conns; the smaller one applies").optional(),
  max_conns_per_host: connections("Connections at one time").default(0),
  idle_conn_timeout: duration()
    .prefault("90s")
    .describe("A connection without a request for this long is closed; 0s for never"),
  disable_keep_alives: z.boolean().default(false).describe("Use each connection for one request only"),
};

/** Turns the options of a component's schema into the config that its code works with. */
export function toHttpClientConfig(options: HttpClientOptions): HttpClientConfig {
  const { auth, tls, headers, max_idle_conns: idle, max_idle_conns_per_host: idlePerHost = 0 } = options;
  return {
    auth,
    tls,
    headers,
    proxy: options.proxy_url,
    idleConnectionsMax: Math.min(orNoLimit(idle), orNoLimit(idlePerHost)),
    connectionsMax: orNoLimit(options.max_conns_per_host),
    idleTimeoutMs: options.idle_conn_timeout,
    keepAlives: !options.disable_keep_alives,
  };
}

/** A count of 0 means no limit, as in Go's transport. */
function orNoLimit(count: number): number {
  return count === 0 ? Number.POSITIVE_INFINITY : count;
}

type RefusedOption =
  | "cookies"
  | "force_attempt_http2"
  | "http2_ping_timeout"
  | "http2_read_idle_timeout"
  | "middlewares"
  | "read_buffer_size"
  | "write_buffer_size";

/** The options of `confighttp` that this build refuses, for the component's own strict object. */
export const refusedHttpOptions: Readonly<Record<RefusedOption, z.ZodType<undefined, undefined>>> = {
  cookies: unsupported("no cookie is kept"),
  force_attempt_http2: unsupported("HTTP/1.1 is spoken"),
  http2_ping_timeout: unsupported("HTTP/1.1 is spoken"),
  http2_read_idle_timeout: unsupported("HTTP/1.1 is spoken"),
  middlewares: unsupported("there are no such extensions"),
  read_buffer_size: unsupported("Node decides about buffers"),
  write_buffer_size: unsupported("Node decides about buffers"),
};
