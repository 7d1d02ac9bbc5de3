import { z } from "zod";
import type { ExporterFactory } from "../../component/component.ts";
import { duration, listenAddress, size } from "../../config/values.ts";
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
  .regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/, "must be a label name: letters, digits and underscores");

const schema: z.ZodType<PrometheusConfig> = z
  .strictObject({
    endpoint: listenAddress(),
    path: z
      .string()
      .regex(/^\/[a-zA-Z0-9._~/-]*$/, "must be a path such as /metrics")
      .default("/metrics"),
    namespace: z
      .string()
      .regex(/^[a-zA-Z0-9_:]*$/, "must be letters, digits and underscores")
      .default("")
      .describe("Put before every metric's name"),
    const_labels: z.record(labelName, z.string()).prefault({}).describe("Put on every sample"),
    send_timestamps: z.boolean().default(false).describe("Write when each sandbox was scraped"),
    metric_expiration: duration({ minMs: 1_000 })
      .prefault("5m")
      .describe(
        "A reading that nothing renews for this long leaves the page; an ended sandbox leaves it at once",
      ),
    enable_open_metrics: z
      .boolean()
      .default(true)
      .describe("Answer in OpenMetrics 1.0 to pullers that ask for it"),
    resource_labels: z
      .record(labelName, z.string().min(1))
      .prefault(KATA_MONITOR_LABELS)
      .describe("Label name to resource attribute, written in this order after a sample's own labels"),
    resource_to_telemetry_conversion: z
      .strictObject({ enabled: z.boolean().default(false) })
      .prefault({})
      .describe("Make labels of all other resource attributes too"),
    limits: z
      .strictObject({
        connections: z.int().min(1).default(64),
        header_bytes: size({ minBytes: 1_024 }).prefault("16KiB"),
        request_timeout: duration({ minMs: 100 }).prefault("10s").describe("For a request to arrive"),
        stall_timeout: duration({ minMs: 100 })
          .prefault("30s")
          .describe("A puller that takes nothing for this long is cut off"),
      })
      .prefault({})
      .describe("What clients of the page can take"),
  })
  .transform(({ endpoint, path, limits, ...rest }) => ({
    address: endpoint,
    path,
    openMetrics: rest.enable_open_metrics,
    page: {
      namespace: rest.namespace,
      resourceLabels: new Map(Object.entries(rest.resource_labels)),
      allResourceAttributes: rest.resource_to_telemetry_conversion.enabled,
      constLabels: rest.const_labels,
      sendTimestamps: rest.send_timestamps,
      expirationMs: rest.metric_expiration,
    },
    limits: {
      connectionsMax: limits.connections,
      headerBytesMax: limits.header_bytes,
      requestTimeoutMs: limits.request_timeout,
      stallTimeoutMs: limits.stall_timeout,
    },
  }));

/** Serves the latest reading of every sandbox to Prometheus. */
export const factory: ExporterFactory<PrometheusConfig> = {
  stability: "beta",
  schema,
  create: (config, settings) => new PrometheusExporter(config, settings),
};
