// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { type AuthConfig, authSchema } from "../auth/config.ts";
import { headersOption, httpHeaderName } from "../options/headers.ts";
import { duration, unsupported } from "../options/values.ts";
import { type ForwardProxy, proxyUrl } from "../proxy/proxy_url.ts";
import { type ClientTlsConfig, clientTlsSchema } from "../tls/client_config.ts";

/** Options of the Collector's `confighttp` that every exporter over HTTP has. Durations are in milliseconds. */
export interface HttpClientConfig {
  readonly auth?: AuthConfig | undefined;
  readonly tls: ClientTlsConfig;
  readonly headers: Readonly<Record<string, string>>;
  readonly proxy_url?: ForwardProxy | "none" | undefined;
  readonly max_idle_conns: number;
  readonly max_idle_conns_per_host?: number | undefined;
  readonly max_conns_per_host: number;
  readonly idle_conn_timeout: number;
  readonly disable_keep_alives: boolean;
}

const connections = (what: string) => z.int().min(0).describe(`${what}; 0 for no limit`);

/** The schemas of `HttpClientConfig`, for the component's own strict object. */
export const httpClientOptions: {
  readonly [Key in keyof HttpClientConfig]-?: z.ZodType<HttpClientConfig[Key], unknown>;
} = {
  auth: authSchema,
  tls: clientTlsSchema.prefault({}).describe("How to secure the connection, where the URL is https://"),
  headers: headersOption(httpHeaderName).default({}).describe("Sent with every request"),
  proxy_url: proxyUrl().optional(),
  max_idle_conns: connections("Connections that are kept open for the next request").default(100),
  max_idle_conns_per_host: connections("As max_idle_conns; the smaller one holds").optional(),
  max_conns_per_host: connections("Connections at one time").default(0),
  idle_conn_timeout: duration()
    .prefault("90s")
    .describe("A connection that nobody has needed for so long is closed; 0s for never"),
  disable_keep_alives: z.boolean().default(false).describe("Use each connection for one request only"),
};

type RefusedOption =
  | "cookies"
  | "force_attempt_http2"
  | "http2_ping_timeout"
  | "http2_read_idle_timeout"
  | "middlewares"
  | "read_buffer_size"
  | "write_buffer_size";

/** Those of `confighttp` that this build does not have, likewise. */
export const refusedHttpOptions: Readonly<Record<RefusedOption, z.ZodType<undefined, undefined>>> = {
  cookies: unsupported("no cookie is kept"),
  force_attempt_http2: unsupported("HTTP/1.1 is spoken"),
  http2_ping_timeout: unsupported("HTTP/1.1 is spoken"),
  http2_read_idle_timeout: unsupported("HTTP/1.1 is spoken"),
  middlewares: unsupported("there are no such extensions"),
  read_buffer_size: unsupported("Node decides about buffers"),
  write_buffer_size: unsupported("Node decides about buffers"),
};
