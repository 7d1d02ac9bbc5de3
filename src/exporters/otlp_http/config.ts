import { z } from "zod";
import { unsupported } from "../../config/values.ts";
import { type QueueConfig, queueSchema } from "../../delivery/config.ts";
import { attemptTimeout, type RetryConfig, retrySchema } from "../../delivery/retry_config.ts";
import type { OtlpEncoding } from "../../otlp/answer.ts";
import { stalenessMarkers } from "../../otlp/config.ts";
import { type HttpClientConfig, httpClientOptions, refusedHttpOptions } from "../../push_http/config.ts";
import { type PushUrl, pushUrl, underUrl } from "../../push_http/url.ts";

/** The options of the Collector's exporter of this name. Durations are in milliseconds, sizes in bytes. */
export interface OtlpHttpConfig extends HttpClientConfig {
  /** Where metrics go, with its path. */
  readonly url: PushUrl;
  readonly encoding: OtlpEncoding;
  readonly compression: Compression;
  readonly timeout: number;
  readonly staleness_markers: boolean;
  readonly retry_on_failure: RetryConfig;
  readonly sending_queue: QueueConfig;
}

/** `level` is the algorithm's own number; undefined for its usual one. */
export type Compression =
  | { readonly type: "none" }
  | { readonly type: "gzip" | "zstd"; readonly level: number | undefined };

const METRICS_PATH = "/v1/metrics";
const LEVELS = { gzip: { min: -1, max: 9 }, zstd: { min: 1, max: 22 } };

const compression = z.enum(["gzip", "zstd", "none", ""], {
  error: 'must be "gzip", "zstd" or "none"; deflate, lz4, snappy and zlib are not supported here',
});

const signals = unsupported("metrics are all that this agent sends");

const options = z.strictObject({
  endpoint: pushUrl()
    .optional()
    .describe(`Where the receiver is, as a URL, to which ${METRICS_PATH} is added; or "unix:///path"`),
  metrics_endpoint: pushUrl()
    .optional()
    .describe("Where metrics go, as a URL with its path; in place of endpoint"),
  encoding: z
    .enum(["proto", "json"], { error: 'must be "proto" or "json"' })
    .default("proto")
    .describe("How requests are written"),
  compression: compression.default("gzip").describe("How requests are compressed"),
  compression_params: z
    .strictObject({ level: z.int().optional().describe("gzip: -1 to 9; zstd: 1 to 22") })
    .prefault({}),
  timeout: attemptTimeout().prefault("30s"),
  ...httpClientOptions,
  ...refusedHttpOptions,
  staleness_markers: stalenessMarkers(),
  retry_on_failure: retrySchema.prefault({}),
  sending_queue: queueSchema.prefault({}),
  logs_endpoint: signals,
  profiles_endpoint: signals,
  traces_endpoint: signals,
});

export const otlpHttpSchema: z.ZodType<OtlpHttpConfig> = options.transform((config, context) => {
  const { endpoint, metrics_endpoint, compression: type, compression_params, ...rest } = config;
  const fail = (path: readonly string[], message: string): never => {
    context.addIssue({ code: "custom", path: [...path], message, input: config });
    return z.NEVER;
  };
  if (endpoint === undefined && metrics_endpoint === undefined)
    return fail(["endpoint"], "is required, or metrics_endpoint");
  const { level } = compression_params;
  const isCompressed = type === "gzip" || type === "zstd";
  if (level !== undefined) {
    const place = ["compression_params", "level"];
    if (!isCompressed) return fail(place, "goes with gzip and zstd only");
    const { min, max } = LEVELS[type];
    if (level < min || level > max) return fail(place, `must be from ${min} to ${max} for ${type}`);
  }
  return {
    ...rest,
    url: urlOf(endpoint, metrics_endpoint),
    compression: isCompressed ? { type, level } : { type: "none" },
  };
});

/** Of a socket nobody can say another path. */
function urlOf(endpoint: PushUrl | undefined, metricsEndpoint: PushUrl | undefined): PushUrl {
  const url = metricsEndpoint ?? endpoint;
  if (url === undefined) throw new Error("BUG: neither endpoint nor metrics_endpoint");
  return url === metricsEndpoint && url.socketPath === undefined ? url : underUrl(url, METRICS_PATH);
}
