import { z } from "zod";
import { duration, secret } from "./values.ts";

export type TelemetryLevel = "none" | "basic" | "normal" | "detailed";

/** `service::telemetry::metrics::readers[].pull.exporter.prometheus` */
export interface PullReaderConfig {
  readonly kind: "pull";
  readonly host: string;
  readonly port: number;
  readonly withoutScopeInfo: boolean;
}

/** `service::telemetry::metrics::readers[].periodic`, with its OTLP exporter. */
export interface PeriodicReaderConfig {
  readonly kind: "periodic";
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly endpoint: string;
  readonly insecure: boolean;
  readonly compression: "gzip" | "none";
  readonly headers: Readonly<Record<string, string>>;
}

export type MetricReaderConfig = PullReaderConfig | PeriodicReaderConfig;

export interface TelemetryConfig {
  readonly metrics: { readonly level: TelemetryLevel; readonly readers: readonly MetricReaderConfig[] };
  readonly logs: {
    readonly level: "debug" | "info" | "warn" | "error";
    readonly encoding: "console" | "json";
    readonly initialFields: Readonly<Record<string, unknown>>;
  };
  /** Of the agent's own metrics; null takes a default away. */
  readonly resource: Readonly<Record<string, string | null>>;
}

export interface PipelineConfig {
  readonly receivers: readonly string[];
  readonly processors: readonly string[];
  readonly exporters: readonly string[];
}

export interface ServiceConfig {
  readonly extensions: readonly string[];
  readonly pipelines: Readonly<Record<string, PipelineConfig>>;
  readonly shutdownTimeoutMs: number;
  readonly telemetry: TelemetryConfig;
}

const pullReader = z
  .strictObject({
    exporter: z.strictObject({
      prometheus: z.strictObject({
        host: z.string().min(1).default("localhost"),
        port: z.int().min(1).max(65_535).default(8888),
        without_scope_info: z.boolean().default(true),
        without_units: z
          .boolean()
          .default(true)
          .describe("Accepted; this build never writes units into names"),
        without_type_suffix: z
          .boolean()
          .default(false)
          .describe('Only false works: counters always end in "_total"'),
      }),
    }),
  })
  .transform(({ exporter: { prometheus } }): PullReaderConfig => {
    const { host, port, without_scope_info: withoutScopeInfo } = prometheus;
    return { kind: "pull", host, port, withoutScopeInfo };
  });

const periodicReader = z
  .strictObject({
    interval: z.int().min(100).default(60_000).describe("Milliseconds between two exports"),
    timeout: z.int().min(1).default(30_000).describe("Milliseconds that an export may take"),
    exporter: z.strictObject({
      otlp: z.strictObject({
        protocol: z.literal("grpc").default("grpc"),
        endpoint: z.string().min(1).describe('"http://host:4317" without TLS, "https://host:4317" with it'),
        insecure: z.boolean().default(false),
        compression: z.enum(["gzip", "none"]).default("none"),
        headers: z
          .union([
            z.record(z.string(), secret()),
            z.array(z.strictObject({ name: z.string(), value: secret() })),
          ])
          .prefault({}),
      }),
    }),
  })
  .transform(({ interval, timeout, exporter: { otlp } }): PeriodicReaderConfig => {
    const { endpoint, insecure, compression } = otlp;
    const headers = Array.isArray(otlp.headers)
      ? Object.fromEntries(otlp.headers.map(({ name, value }) => [name, value]))
      : otlp.headers;
    return {
      kind: "periodic",
      intervalMs: interval,
      timeoutMs: timeout,
      endpoint,
      insecure,
      compression,
      headers,
    };
  });

const reader = z
  .strictObject({ pull: pullReader.optional(), periodic: periodicReader.optional() })
  .transform((choice, context): MetricReaderConfig => {
    const chosen = choice.pull ?? choice.periodic;
    if (chosen !== undefined && (choice.pull === undefined || choice.periodic === undefined)) return chosen;
    context.addIssue({ code: "custom", message: 'must have one of "pull" and "periodic"' });
    return z.NEVER;
  });

const metrics = z
  .strictObject({
    level: z.enum(["none", "basic", "normal", "detailed"]).default("normal"),
    readers: z
      .array(reader)
      .prefault([{ pull: { exporter: { prometheus: {} } } }])
      .describe("How the agent's own metrics leave it"),
    address: z
      .undefined({
        error:
          'is gone from the Collector, and here too; write "readers: [{pull: {exporter: {prometheus: {host: localhost, port: 8888}}}}]"',
      })
      .optional(),
  })
  .transform(({ level, readers }) => ({ level, readers }));

const logs = z
  .strictObject({
    level: z
      .enum(["debug", "info", "warn", "error", "DEBUG", "INFO", "WARN", "ERROR"])
      .default("info")
      .transform((level) => level.toLowerCase() as Lowercase<typeof level>),
    encoding: z.enum(["console", "json"]).default("console"),
    initial_fields: z.record(z.string(), z.unknown()).prefault({}).describe("Put on every line"),
  })
  .transform(({ level, encoding, initial_fields: initialFields }) => ({ level, encoding, initialFields }));

const attributeValue = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const resource = z
  .union([
    z.strictObject({ attributes: z.array(z.strictObject({ name: z.string(), value: attributeValue })) }),
    z.record(z.string(), attributeValue),
  ])
  .prefault({})
  .transform((input): Readonly<Record<string, string | null>> => {
    const pairs = Array.isArray(input.attributes)
      ? input.attributes.map(({ name, value }) => [name, value] as const)
      : Object.entries(input);
    return Object.fromEntries(pairs.map(([name, value]) => [name, value === null ? null : String(value)]));
  });

const ids = z.array(z.string().min(1));

/** `service::pipelines`, by name. */
export const pipelinesSchema: z.ZodType<Readonly<Record<string, PipelineConfig>>> = z.record(
  z.string(),
  z.strictObject({
    receivers: ids.default([]),
    processors: ids.default([]).describe("In the order in which readings pass them"),
    exporters: ids.default([]),
  }),
);

/** The `service` section. Whether the ids exist is checked with the whole config. */
export const serviceSchema: z.ZodType<ServiceConfig> = z
  .strictObject({
    extensions: ids.default([]).describe("Ids of the extensions to run, in their order of start"),
    pipelines: pipelinesSchema.prefault({}).describe('"metrics" or "metrics/name"'),
    shutdown_timeout: duration({ minMs: 100 })
      .prefault("30s")
      .describe("What is not handed on after a stop signal within this time is counted as lost"),
    telemetry: z
      .strictObject({
        metrics: metrics.prefault({}),
        logs: logs.prefault({}),
        traces: z.strictObject({ level: z.literal("none").default("none") }).optional(),
        resource,
      })
      .prefault({}),
  })
  .transform(({ extensions, pipelines, shutdown_timeout: shutdownTimeoutMs, telemetry }) => ({
    extensions,
    pipelines,
    shutdownTimeoutMs,
    telemetry: { metrics: telemetry.metrics, logs: telemetry.logs, resource: telemetry.resource },
  }));
