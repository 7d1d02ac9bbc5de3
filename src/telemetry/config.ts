// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { serverLimits, servingOptions, toServerLimits, toServing } from "../http_server/config.ts";
import type { Serving } from "../http_server/serving.ts";
import { type ListenAddress, secret, TIMER_MS_MAX, unsupported } from "../options/values.ts";

/** How much the agent measures of itself. All levels but "none" have the same metrics. */
export type TelemetryLevel = "none" | "basic" | "normal" | "detailed";

/**
 * A reader that serves the agent's own metrics to Prometheus:
 * `service::telemetry::metrics::readers[].pull.exporter.prometheus`.
 */
export interface PullReaderConfig {
  readonly kind: "pull";
  readonly address: ListenAddress;
  readonly serving: Serving;
  readonly withoutScopeInfo: boolean;
}

/** A reader that pushes the agent's own metrics over OTLP: `service::telemetry::metrics::readers[].periodic`. */
export interface PeriodicReaderConfig {
  readonly kind: "periodic";
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly endpoint: string;
  readonly insecure: boolean;
  /** Paths of PEM files. */
  readonly tls: {
    readonly caFile?: string | undefined;
    readonly certFile?: string | undefined;
    readonly keyFile?: string | undefined;
  };
  readonly compression: "gzip" | "none";
  readonly headers: Readonly<Record<string, string>>;
}

export type MetricReaderConfig = PullReaderConfig | PeriodicReaderConfig;

/** The config of `service::telemetry`. */
export interface TelemetryConfig {
  readonly metrics: { readonly level: TelemetryLevel; readonly readers: readonly MetricReaderConfig[] };
  readonly logs: {
    readonly level: "debug" | "info" | "warn" | "error";
    readonly encoding: "console" | "json";
    readonly initialFields: Readonly<Record<string, unknown>>;
  };
  /** Attributes of the resource of the agent's own metrics. Null removes a default attribute. */
  readonly resource: Readonly<Record<string, string | null>>;
}

const pullReader = z
  .strictObject({
    exporter: z.strictObject({
      prometheus: z
        .strictObject({
          host: z.string().min(1).default("localhost"),
          port: z.int().min(1).max(65_535).default(8888),
          without_scope_info: z.boolean().default(true).describe("Leave out the labels otel_scope_…"),
          without_units: z
            .literal(true, { error: "must be true: units are no part of names here" })
            .optional(),
          without_type_suffix: z
            .literal(false, { error: 'must be false: counters end in "_total" here' })
            .optional(),
          with_resource_constant_labels: unsupported("the resource is in target_info"),
          ...servingOptions,
          limits: z.strictObject(serverLimits).transform(toServerLimits).optional(),
        })
        .prefault({}),
    }),
  })
  .transform(({ exporter: { prometheus } }): PullReaderConfig => {
    const { host, port, limits, without_scope_info: withoutScopeInfo } = prometheus;
    return {
      kind: "pull",
      address: { host, port },
      serving: toServing(prometheus, limits),
      withoutScopeInfo,
    };
  });

const milliseconds = z.int().min(1).max(TIMER_MS_MAX);
const file = (what: string) => z.string().min(1).optional().describe(`${what}: the path of a PEM file`);

// gRPC takes these names only, and would throw at the first push for others.
const headerName = z.string().regex(/^(?!grpc-)[0-9A-Za-z_.-]+(?<!-bin)$/i, {
  error: "must be a header's name: letters, digits, _, - and ., not beginning with grpc- or ending in -bin",
});
const headerValue = secret().refine((value) => /^[ -~]*$/.test(value), { error: "must be printable ASCII" });

const otlp = z
  .strictObject({
    protocol: z
      .enum(["grpc", "grpc/protobuf"], {
        error: 'must be "grpc": the agent pushes its metrics over gRPC only',
      })
      .default("grpc"),
    endpoint: z
      .string()
      .regex(/^(https?:\/\/)?[^/\s]+\/?$/, 'must be such as "http://host:4317" or "https://host:4317"')
      .describe('"http://host:4317" without TLS, "https://host:4317" with it'),
    insecure: z.boolean().default(false).describe("Send in the clear where the endpoint has no scheme"),
    certificate: file("The certificates to trust instead of the system's"),
    client_certificate: file("The client's certificate"),
    client_key: file("The client's key"),
    compression: z.enum(["gzip", "none"]).default("none"),
    timeout: milliseconds.default(10_000).describe("Milliseconds that one request may take"),
    headers: z
      .union([
        z.record(headerName, headerValue),
        z.array(z.strictObject({ name: headerName, value: headerValue })),
      ])
      .prefault({}),
    temporality_preference: z
      .literal("cumulative", { error: 'must be "cumulative": the agent counts from its start' })
      .optional(),
    default_histogram_aggregation: z
      .literal("explicit_bucket_histogram", { error: 'must be "explicit_bucket_histogram"' })
      .optional(),
  })
  .refine(({ client_certificate: cert, client_key: key }) => (cert === undefined) === (key === undefined), {
    path: ["client_certificate"],
    error: "is of use only together with client_key",
  });

const periodicReader = z
  .strictObject({
    interval: milliseconds.min(100).default(60_000).describe("Milliseconds between two exports"),
    timeout: milliseconds.default(30_000).describe("Milliseconds that an export may take"),
    exporter: z.strictObject({ otlp }),
  })
  .transform(({ interval, timeout, exporter }): PeriodicReaderConfig => {
    const { endpoint, insecure, compression, headers } = exporter.otlp;
    const pairs = Array.isArray(headers)
      ? headers.map(({ name, value }) => [name, value] as const)
      : Object.entries(headers);
    return {
      kind: "periodic",
      intervalMs: interval,
      timeoutMs: Math.min(timeout, exporter.otlp.timeout),
      endpoint,
      insecure,
      tls: {
        caFile: exporter.otlp.certificate,
        certFile: exporter.otlp.client_certificate,
        keyFile: exporter.otlp.client_key,
      },
      compression,
      headers: Object.fromEntries(pairs),
    };
  });

const reader = z
  .strictObject({ pull: pullReader.optional(), periodic: periodicReader.optional() })
  .transform((choice, context): MetricReaderConfig => {
    const chosen = choice.pull ?? choice.periodic;
    if (chosen !== undefined && (choice.pull === undefined || choice.periodic === undefined)) return chosen;
    context.addIssue({ code: "custom", message: 'must have either "pull" or "periodic"' });
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
          'is no more, as in the Collector; write "readers: [{pull: {exporter: {prometheus: {host: localhost, port: 8888}}}}]"',
      })
      .optional(),
    views: unsupported("every metric of the level is given"),
  })
  .transform(({ level, readers }) => ({ level, readers }));

const stderrOnly = z
  .array(z.literal("stderr", { error: 'must be "stderr": who runs the agent takes its log from there' }))
  .optional();
/** The fields that every line of the log has already. */
const LINE_FIELDS = ["level", "ts", "msg"];
const fieldName = z.string().refine((name) => !LINE_FIELDS.includes(name), {
  error: `must be none of ${LINE_FIELDS.join(", ")}, which every line has`,
});

const logs = z
  .strictObject({
    level: z
      .enum(["debug", "info", "warn", "error", "DEBUG", "INFO", "WARN", "ERROR"])
      .default("info")
      .transform((level) => level.toLowerCase() as Lowercase<typeof level>),
    encoding: z.enum(["console", "json"]).default("console"),
    initial_fields: z.record(fieldName, z.unknown()).prefault({}).describe("Put on every line"),
    output_paths: stderrOnly,
    error_output_paths: stderrOnly,
    disable_caller: z.literal(true, { error: "must be true: lines do not name the code" }).optional(),
    disable_stacktrace: z.boolean().optional().describe("Accepted; only bugs are logged with their stack"),
    sampling: z
      .strictObject({
        enabled: z.literal(false, { error: "must be false: every line is written" }),
        tick: z.unknown().optional(),
        initial: z.unknown().optional(),
        thereafter: z.unknown().optional(),
      })
      .optional(),
    development: unsupported("level: debug and encoding: console come near it"),
    processors: unsupported("logs go to stderr"),
    disable_zap_resource: z.boolean().optional().describe("Accepted; lines carry no resource"),
  })
  .transform(({ level, encoding, initial_fields: initialFields }) => ({ level, encoding, initialFields }));

const traces = z
  .strictObject({
    level: z.literal("none", { error: 'must be "none": the agent writes no traces' }).default("none"),
    processors: unsupported("the agent writes no traces"),
    propagators: unsupported("the agent writes no traces"),
  })
  .optional();

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

/** The schema of `service::telemetry`: the agent's own metrics and its log. */
export const telemetrySchema: z.ZodType<TelemetryConfig> = z
  .strictObject({ metrics: metrics.prefault({}), logs: logs.prefault({}), traces, resource })
  .prefault({})
  .transform((input) => ({ metrics: input.metrics, logs: input.logs, resource: input.resource }));
