// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { type AuthConfig, authSchema } from "../../auth/config.ts";
import { type DeliveryConfig, queueSchema, toDeliveryConfig } from "../../delivery/config.ts";
import { attemptTimeout, retrySchema } from "../../delivery/retry_config.ts";
import { headersOption } from "../../options/headers.ts";
import { duration, unsupported } from "../../options/values.ts";
import { stalenessMarkers } from "../../otlp/config.ts";
import { type ForwardProxy, proxyUrl } from "../../proxy/proxy_url.ts";
import { type ClientTlsConfig, clientTlsSchema } from "../../tls/client_config.ts";
import { type Endpoint, hasPath, parseEndpoint } from "./endpoint.ts";

/** The options of the exporter `otlp_grpc`, which are those of the Collector's exporter of this name. */
export interface OtlpGrpcConfig extends DeliveryConfig {
  readonly endpoint: Endpoint;
  readonly auth?: AuthConfig | undefined;
  readonly tls: ClientTlsConfig;
  readonly headers: Readonly<Record<string, string>>;
  readonly compression: "gzip" | "zstd" | "snappy" | "none";
  /** The proxy in front of the endpoint; "none" for a direct connection; undefined if the environment decides. */
  readonly proxy?: ForwardProxy | "none" | undefined;
  readonly keepalive: KeepaliveConfig;
  /** Whether an attempt waits for a connection until its deadline. */
  readonly waitForReady: boolean;
  readonly balancer: "round_robin" | "pick_first";
  readonly authority?: string | undefined;
  readonly userAgent?: string | undefined;
  readonly stalenessMarkers: boolean;
}

/** When an HTTP/2 ping checks whether a connection is alive. */
interface KeepaliveConfig {
  /** A ping is sent after the connection was silent for this time; undefined for never. */
  readonly idleMs?: number | undefined;
  /** The connection is closed if the ping is not answered within this time. */
  readonly timeoutMs: number;
  /** Whether pings are also sent while no request is under way. */
  readonly permitWithoutStream: boolean;
}

const FORMS = 'must be "host:port", "http://host:port", "https://host:port" or "unix:///path"';

const endpoint: z.ZodType<Endpoint, string> = z
  .string()
  .meta({ description: 'Where to send: "host:port", "http://…", "https://…", "dns:///…" or "unix:///path"' })
  .transform((text, context) => {
    const parsed = parseEndpoint(text);
    if (parsed !== undefined) return parsed;
    const message = hasPath(text)
      ? "has a path, which gRPC has no use for; otlp_http takes URLs with one"
      : FORMS;
    context.addIssue({ code: "custom", message, input: text });
    return z.NEVER;
  });

/** Headers that users cannot set: gRPC sets them, or HTTP/2 does not allow them. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "content-type",
  "host",
  "te",
  "transfer-encoding",
  "upgrade",
]);

const headers = headersOption(
  z
    .string()
    .regex(/^[0-9A-Za-z_.-]+$/, { error: "a header's name has letters, digits, _, - and . only" })
    .refine((name) => !/^grpc-|-bin$/i.test(name), {
      error: "a header must not begin with grpc- or end in -bin",
    })
    .refine((name) => !OWN_HEADERS.has(name.toLowerCase()), {
      error: "is a header that the exporter itself decides about",
    }),
);

const compression = z.enum(["gzip", "zstd", "snappy", "none", ""], {
  error: 'must be "gzip", "zstd", "snappy" or "none"',
});

const keepalive: z.ZodType<KeepaliveConfig> = z
  .strictObject({
    time: duration({ minMs: 1_000, maxMs: 86_400_000 })
      .optional()
      .describe("A connection that was silent for so long is asked whether it is alive; never if left out"),
    timeout: duration({ minMs: 1, maxMs: 86_400_000 })
      .prefault("10s")
      .describe("Without an answer for so long, it is closed"),
    permit_without_stream: z.boolean().default(false).describe("Ask also while nothing is being sent"),
  })
  .transform(({ time, timeout, permit_without_stream }) => ({
    idleMs: time,
    timeoutMs: timeout,
    permitWithoutStream: permit_without_stream,
  }));

const options = z.strictObject({
  endpoint,
  auth: authSchema,
  tls: clientTlsSchema
    .prefault({})
    .describe("How to secure the connection; on unless the endpoint is http://"),
  proxy_url: proxyUrl().optional(),
  headers: headers.default({}).describe("Sent with every request"),
  compression: compression.default("gzip").transform((name) => (name === "" ? "none" : name)),
  timeout: attemptTimeout().prefault("5s"),
  keepalive: keepalive.prefault({}),
  wait_for_ready: z
    .boolean()
    .default(false)
    .describe("Let an attempt wait for a connection until its deadline, instead of failing at once"),
  balancer_name: z
    .enum(["round_robin", "pick_first"])
    .default("round_robin")
    .describe("How requests are spread over the addresses of the endpoint"),
  authority: z.string().min(1).optional().describe("The :authority header"),
  user_agent: z.string().min(1).optional().describe("What the agent calls itself"),
  staleness_markers: stalenessMarkers(),
  retry_on_failure: retrySchema.prefault({}),
  sending_queue: queueSchema.prefault({}),
  read_buffer_size: unsupported("Node decides about buffers"),
  write_buffer_size: unsupported("Node decides about buffers"),
});

export const otlpGrpcSchema: z.ZodType<OtlpGrpcConfig> = options.transform((config) => ({
  endpoint: config.endpoint,
  auth: config.auth,
  tls: config.tls,
  headers: config.headers,
  compression: config.compression,
  proxy: config.proxy_url,
  keepalive: config.keepalive,
  waitForReady: config.wait_for_ready,
  balancer: config.balancer_name,
  authority: config.authority,
  userAgent: config.user_agent,
  stalenessMarkers: config.staleness_markers,
  ...toDeliveryConfig(config),
}));
