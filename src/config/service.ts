// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { duration } from "../options/values.ts";
import { type TelemetryConfig, telemetrySchema } from "../telemetry/config.ts";

/** The ids of a pipeline's components. */
export interface PipelineConfig {
  readonly receivers: readonly string[];
  readonly processors: readonly string[];
  readonly exporters: readonly string[];
}

/** The `service` section, before its ids are checked. */
export interface ServiceConfig {
  readonly extensions: readonly string[];
  readonly pipelines: Readonly<Record<string, PipelineConfig>>;
  readonly shutdownTimeoutMs: number;
  readonly telemetry: TelemetryConfig;
}

/**
 * The limit on `shutdown_timeout`, in milliseconds. An hour, which is far above the 30 s for which Kubernetes by
 * default waits for a process to end.
 */
const SHUTDOWN_MS_MAX = 3_600_000;

/** A list of component ids. */
export const idsSchema: z.ZodType<string[]> = z.array(z.string().trim().min(1, "must be a component's id"));

const pipeline = z.strictObject({
  receivers: idsSchema.default([]),
  processors: idsSchema.default([]).describe("In the order in which readings pass them"),
  exporters: idsSchema.default([]),
});

/** The `service` section. `checkReferences` checks whether the ids exist. */
export const serviceSchema: z.ZodType<ServiceConfig> = z
  .strictObject({
    extensions: idsSchema.default([]).describe("Ids of the extensions to run, in their order of start"),
    pipelines: z.record(z.string(), pipeline).prefault({}).describe('"metrics" or "metrics/name"'),
    shutdown_timeout: duration({ minMs: 100, maxMs: SHUTDOWN_MS_MAX })
      .prefault("30s")
      .describe("What is not handed on after a stop signal within this time is counted as lost"),
    telemetry: telemetrySchema,
  })
  .transform(({ extensions, pipelines, shutdown_timeout: shutdownTimeoutMs, telemetry }) => ({
    extensions,
    pipelines,
    shutdownTimeoutMs,
    telemetry,
  }));
