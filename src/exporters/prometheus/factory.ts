// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import type { ExporterFactory } from "../../component/factory.ts";
import {
  listening,
  serverLimits,
  servingOptions,
  toServerLimits,
  toServing,
} from "../../http_server/config.ts";
import { duration, listenAddress, size, unsupported } from "../../options/values.ts";
import {
  constantLabels,
  fixedNameOptions,
  labelOptions,
  labelsTwice,
  toIdentityLabels,
} from "../../prometheus/series/label_options.ts";
import { type PrometheusConfig, PrometheusExporter } from "./exporter.ts";

const limits = z
  .strictObject({
    resources: z.int().min(1).default(10_000).describe("Sandboxes on the page"),
    page_samples: z
      .int()
      .min(0)
      .default(0)
      .describe(
        "Samples of a page, as the reader's sample_limit; the largest sandboxes are cut. 0 for no limit",
      ),
    page_bytes: size({ minBytes: 0 })
      .optional()
      .describe(
        "Bytes of a page before compression, as the reader's body_size_limit; the largest sandboxes are cut. 0 for no limit; 16 MB, or what honest sandboxes need, if left out",
      ),
    pulls: z
      .int()
      .min(1)
      .default(16)
      .describe(
        "Pulls at one time; one that waits for its puller is cut for a new one, or else that gets 503",
      ),
    pull_timeout: unsupported("write_timeout beside limits has its meaning"),
    ...serverLimits,
  })
  .transform((config) => ({
    resourcesMax: config.resources,
    pageSamplesMax: config.page_samples === 0 ? Number.POSITIVE_INFINITY : config.page_samples,
    pageBytesMax: config.page_bytes === 0 ? Number.POSITIVE_INFINITY : config.page_bytes,
    pullsMax: config.pulls,
    server: toServerLimits(config),
  }));

/**
 * Options of the Collector's exporter that accept a single value here. A config of the Collector with this value stays
 * valid.
 */
const fixed = {
  ...fixedNameOptions,
  without_scope_info: z.literal(true, "only true works: readings have no scope").optional(),
};

const schema: z.ZodType<PrometheusConfig> = z
  .strictObject({
    endpoint: listenAddress(),
    ...servingOptions,
    path: z
      .string()
      .regex(/^\/[a-zA-Z0-9._~/-]+$/, "must be a path such as /metrics")
      .default("/metrics"),
    const_labels: constantLabels(),
    ...labelOptions,
    send_timestamps: z.boolean().default(false).describe("Write when each sandbox was scraped"),
    metric_expiration: duration({ minMs: 1_000 })
      .prefault("5m")
      .describe(
        "A reading that nothing renews for this long leaves the page; an ended sandbox leaves at once",
      ),
    enable_open_metrics: z
      .boolean()
      .default(true)
      .describe("Answer in OpenMetrics 1.0 to pullers that ask for it"),
    limits: limits.prefault({}),
    ...fixed,
  })
  .superRefine((config, context) => {
    for (const name of labelsTwice(config.const_labels, config)) {
      const message = "is in resource_labels already";
      context.addIssue({
        code: "custom",
        message,
        path: ["const_labels", name],
        input: config.const_labels[name],
      });
    }
  })
  .transform((config) => ({
    address: config.endpoint,
    serving: toServing(config, config.limits.server),
    path: config.path,
    openMetrics: config.enable_open_metrics,
    namespace: config.namespace,
    labels: toIdentityLabels(config.const_labels, config),
    timestamps: config.send_timestamps,
    expirationMs: config.metric_expiration,
    limits: config.limits,
  }));

/** Serves the latest reading of every resource to Prometheus. */
export const factory: ExporterFactory<PrometheusConfig> = {
  stability: "beta",
  schema,
  ...listening,
  create: (config, settings) => new PrometheusExporter(config, settings),
};
