// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import type { ExtensionFactory } from "../../component/factory.ts";
import {
  listening,
  serverLimits,
  servingOptions,
  toServerLimits,
  toServing,
} from "../../http_server/config.ts";
import { duration, listenAddress } from "../../options/values.ts";
import { HealthCheck, type HealthCheckConfig } from "./extension.ts";

const path = z.string().regex(/^\/[a-zA-Z0-9._~/-]*$/, "must be a path such as /status");

const schema: z.ZodType<HealthCheckConfig> = z
  .strictObject({
    endpoint: listenAddress().prefault("localhost:13133"),
    path: path.default("/").describe("The path of the short answer: 200 or 503"),
    response_body: z
      .strictObject({ healthy: z.string().optional(), unhealthy: z.string().optional() })
      .default({})
      .describe("Texts that replace the short answer's own"),
    status_path: path
      .default("/status")
      .describe("The path of the state of the agent; ?verbose adds that of each pipeline and component"),
    component_health: z
      .strictObject({
        include_permanent_errors: z
          .boolean()
          .default(true)
          .describe("Whether permanent errors make the agent unhealthy"),
        include_recoverable_errors: z
          .boolean()
          .default(true)
          .describe("Whether recoverable errors that last longer than recovery_duration do so too"),
        recovery_duration: duration().prefault("1m"),
      })
      .prefault({}),
    reload: z.boolean().default(false).describe("Reload the configuration on POST /-/reload"),
    ...servingOptions,
    limits: z.strictObject(serverLimits).transform(toServerLimits).optional(),
  })
  .transform((config) => ({
    address: config.endpoint,
    serving: toServing(config, config.limits),
    path: config.path,
    statusPath: config.status_path,
    rules: {
      includePermanentErrors: config.component_health.include_permanent_errors,
      includeRecoverableErrors: config.component_health.include_recoverable_errors,
      recoveryMs: config.component_health.recovery_duration,
    },
    body: { healthy: config.response_body.healthy, unhealthy: config.response_body.unhealthy },
    reload: config.reload,
  }));

/** Answers health checks with what the components report about themselves. */
export const factory: ExtensionFactory<HealthCheckConfig> = {
  stability: "beta",
  schema,
  ...listening,
  create: (config, settings) => new HealthCheck(config, settings),
};
