// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { CODECS, type Codec, type Compression, LEVELS } from "../../compression/compress.ts";
import { type DeliveryConfig, queueSchema, toDeliveryConfig } from "../../delivery/config.ts";
import { attemptTimeout, retrySchema } from "../../delivery/retry_config.ts";
import {
  type HttpClientConfig,
  httpClientOptions,
  refusedHttpOptions,
  toHttpClientConfig,
} from "../../http_client/config.ts";
import { type PushUrl, pushUrl, underUrl } from "../../http_client/url.ts";
import { unsupported } from "../../options/values.ts";
import type { OtlpEncoding } from "../../otlp/answer.ts";
import { stalenessMarkers } from "../../otlp/config.ts";

/** The options of the exporter `otlp_http`, which are those of the Collector's exporter of this name. */
export interface OtlpHttpConfig extends HttpClientConfig, DeliveryConfig {
  /** The URL to which metrics are posted, with its path. */
  readonly url: PushUrl;
  /** The option that gave the URL. */
  readonly endpointOption: "endpoint" | "metrics_endpoint";
  readonly encoding: OtlpEncoding;
  /** The compression of requests; undefined for none. */
  readonly compression: Compression | undefined;
  readonly stalenessMarkers: boolean;
}

const METRICS_PATH = "/v1/metrics";

const compression = z.enum([...CODECS, "none", ""], {
  error: `must be ${CODECS.map((name) => `"${name}"`).join(", ")} or "none"`,
});

const signals = unsupported("metrics are all that this agent sends");

const options = z.strictObject({
  endpoint: pushUrl()
    .optional()
    .describe(`Where the receiver is, as a URL, to which ${METRICS_PATH} is added; or "unix:///path"`),
  metrics_endpoint: pushUrl()
    .optional()
    .describe("Where metrics go, as a URL with its path; instead of endpoint"),
  encoding: z
    .enum(["proto", "json"], { error: 'must be "proto" or "json"' })
    .default("proto")
    .describe("How requests are written"),
  compression: compression.default("gzip").describe("How requests are compressed"),
  compression_params: z
    .strictObject({ level: z.int().optional().describe("gzip, zlib, deflate: -1 to 9; zstd: 1 to 22") })
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
  const { endpoint, metrics_endpoint, compression: type, compression_params, encoding } = config;
  const fail = (path: readonly string[], message: string): never => {
    context.addIssue({ code: "custom", path: [...path], message, input: config });
    return z.NEVER;
  };
  if (endpoint === undefined && metrics_endpoint === undefined)
    return fail(["endpoint"], "is required, or metrics_endpoint");
  const codec = type === "none" || type === "" ? undefined : type;
  const { level } = compression_params;
  const fault = level === undefined ? undefined : faultOfLevel(level, codec);
  if (fault !== undefined) return fail(["compression_params", "level"], fault);
  return {
    ...toHttpClientConfig(config),
    ...toDeliveryConfig(config),
    encoding,
    stalenessMarkers: config.staleness_markers,
    url: urlOf(endpoint, metrics_endpoint),
    endpointOption: metrics_endpoint === undefined ? "endpoint" : "metrics_endpoint",
    compression: codec === undefined ? undefined : { codec, level },
  };
});

function faultOfLevel(level: number, codec: Codec | undefined): string | undefined {
  const limits = codec === undefined ? undefined : LEVELS[codec];
  if (limits === undefined) return `goes with ${Object.keys(LEVELS).join(", ")} only`;
  const { min, max } = limits;
  return level < min || level > max ? `must be from ${min} to ${max} for ${codec}` : undefined;
}

/** Returns the URL to which metrics are posted. On a unix socket it always has the default path. */
function urlOf(endpoint: PushUrl | undefined, metricsEndpoint: PushUrl | undefined): PushUrl {
  const url = metricsEndpoint ?? endpoint;
  if (url === undefined) throw new Error("BUG: neither endpoint nor metrics_endpoint");
  return url === metricsEndpoint && url.socketPath === undefined ? url : underUrl(url, METRICS_PATH);
}
