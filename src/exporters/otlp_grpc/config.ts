// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { type AuthConfig, authSchema } from "../../auth/config.ts";
import { type QueueConfig, queueSchema } from "../../delivery/config.ts";
import { attemptTimeout, type RetryConfig, retrySchema } from "../../delivery/retry_config.ts";
import { headersOption } from "../../options/headers.ts";
import { duration, unsupported } from "../../options/values.ts";
import { stalenessMarkers } from "../../otlp/config.ts";
import { type ForwardProxy, proxyUrl } from "../../proxy/proxy_url.ts";
import { type ClientTlsConfig, clientTlsSchema } from "../../tls/client_config.ts";
import { type Endpoint, hasPath, parseEndpoint } from "./endpoint.ts";

/** The options of the Collector's exporter of this name. Durations are in milliseconds, sizes in bytes. */
export interface OtlpGrpcConfig {
  readonly endpoint: Endpoint;
  readonly auth?: AuthConfig | undefined;
  readonly tls: ClientTlsConfig;
  readonly headers: Readonly<Record<string, string>>;
  readonly compression: "gzip" | "zstd" | "snappy" | "none";
  readonly proxy_url?: ForwardProxy | "none" | undefined;
  readonly timeout: number;
  readonly keepalive: {
    /** Undefined for no keepalive. */
    readonly time?: number | undefined;
    readonly timeout: number;
    readonly permit_without_stream: boolean;
  };
  readonly wait_for_ready: boolean;
  readonly balancer_name: "round_robin" | "pick_first";
  readonly authority?: string | undefined;
  readonly user_agent?: string | undefined;
  readonly staleness_markers: boolean;
  readonly retry_on_failure: RetryConfig;
  readonly sending_queue: QueueConfig;
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

/** They frame the message, which is not the user's to decide. */
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

const keepalive = z.strictObject({
  time: duration({ minMs: 1_000, maxMs: 86_400_000 })
    .optional()
    .describe("A connection that was silent for so long is asked whether it is alive; never if left out"),
  timeout: duration({ minMs: 1, maxMs: 86_400_000 })
    .prefault("10s")
    .describe("Without an answer for so long, it is closed"),
  permit_without_stream: z.boolean().default(false).describe("Ask also while nothing is being sent"),
});

export const otlpGrpcSchema: z.ZodType<OtlpGrpcConfig> = z.strictObject({
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
    .describe("Let an attempt wait for a connection until its deadline, in place of failing at once"),
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
