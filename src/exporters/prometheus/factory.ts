import { z } from "zod";
import type { ExporterFactory } from "../../component/component.ts";
import { duration, listenAddress } from "../../config/values.ts";
import { serverLimits, serverTls, toServerLimits } from "../../http/config.ts";
import { BOUND_LABELS, isLabelName } from "../../prometheus/write_names.ts";
import { type PrometheusConfig, PrometheusExporter } from "./exporter.ts";

/** As kata-monitor labels every sample, in its order. */
const KATA_MONITOR_LABELS = {
  sandbox_id: "kata.sandbox.id",
  cri_uid: "k8s.pod.uid",
  cri_name: "k8s.pod.name",
  cri_namespace: "k8s.namespace.name",
};

const labelName = z
  .string()
  .refine(isLabelName, "must be a label name: letters, digits and underscores, no digit first")
  .refine((name) => !BOUND_LABELS.has(name), '"le" and "quantile" belong to histograms and summaries');

const limits = z
  .strictObject({
    resources: z.int().min(1).default(10_000).describe("Sandboxes on the page"),
    pulls: z.int().min(1).default(16).describe("Pulls at one time; further ones are answered with 503"),
    pull_timeout: duration({ minMs: 100 }).prefault("2m").describe("For a whole pull"),
    ...serverLimits,
  })
  .transform((config) => ({
    resourcesMax: config.resources,
    pullsMax: config.pulls,
    pullTimeoutMs: config.pull_timeout,
    server: toServerLimits(config),
  }));

/** Options of the Collector's exporter that say what this one always does: a config that sets them so stays valid. */
const fixed = {
  add_metric_suffixes: z.literal(false, "only false works: names stay as their source has them").optional(),
  translation_strategy: z
    .literal(
      "UnderscoreEscapingWithoutSuffixes",
      'only "UnderscoreEscapingWithoutSuffixes" works: names stay as their source has them',
    )
    .optional(),
  without_scope_info: z.literal(true, "only true works: readings have no scope").optional(),
};

const schema: z.ZodType<PrometheusConfig> = z
  .strictObject({
    endpoint: listenAddress(),
    tls: serverTls.optional().describe("Serve HTTPS"),
    path: z
      .string()
      .regex(/^\/[a-zA-Z0-9._~/-]+$/, "must be a path such as /metrics")
      .default("/metrics"),
    namespace: z
      .string()
      .regex(/^([a-zA-Z_:][a-zA-Z0-9_:]*)?$/, "must be letters, digits and underscores, no digit first")
      .default("")
      .describe("Put before every metric's name, with an underscore"),
    const_labels: z.record(labelName, z.string()).default({}).describe("Put on every sample"),
    resource_labels: z
      .record(labelName, z.string().min(1))
      .default(KATA_MONITOR_LABELS)
      .describe("Label name to resource attribute, written in this order after a sample's own labels"),
    resource_to_telemetry_conversion: z
      .strictObject({ enabled: z.boolean().default(false) })
      .prefault({})
      .describe("Make labels of all other resource attributes too"),
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
  .superRefine(({ const_labels, resource_labels }, context) => {
    for (const name of Object.keys(const_labels).filter((label) => Object.hasOwn(resource_labels, label))) {
      const message = "is in resource_labels already";
      context.addIssue({ code: "custom", message, path: ["const_labels", name], input: const_labels[name] });
    }
  })
  .transform((config) => ({
    address: config.endpoint,
    tls: config.tls,
    path: config.path,
    openMetrics: config.enable_open_metrics,
    namespace: config.namespace,
    labels: {
      mapped: Object.entries(config.resource_labels).map(([label, attribute]) => ({ label, attribute })),
      constant: Object.entries(config.const_labels).map(([key, value]) => ({ key, value })),
      others: config.resource_to_telemetry_conversion.enabled,
    },
    timestamps: config.send_timestamps,
    expirationMs: config.metric_expiration,
    limits: config.limits,
  }));

/** Serves the latest reading of every resource to Prometheus. */
export const factory: ExporterFactory<PrometheusConfig> = {
  stability: "beta",
  schema,
  create: (config, settings) => new PrometheusExporter(config, settings),
};
