// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { duration } from "../options/values.ts";
import type { StatusRules } from "../peer/answer.ts";

/** How an exporter retries after a failure: the Collector's `retry_on_failure`. */
export interface RetryConfig {
  readonly enabled: boolean;
  /** The pause after the first failure. */
  readonly initialIntervalMs: number;
  /** Each pause is made longer or shorter at random, by at most this share of it. */
  readonly randomizationFactor: number;
  /** The factor by which a pause is multiplied to get the next one. */
  readonly multiplier: number;
  /** The longest pause, without its random share. */
  readonly maxIntervalMs: number;
  /** The longest time for which a request is tried before it is dropped; 0 for no limit. Ignored for queues on disk. */
  readonly maxElapsedMs: number;
  /** Statuses for which the user says that requests are retried or dropped, whatever `peer/answer.ts` says of them. */
  readonly rules: StatusRules;
}

/** A day, the most that options for pauses and deadlines accept. A timer of Node could wait for up to 24 days. */
export const DAY_MS: number = 86_400_000;

/** The schema of the Collector's `timeout`, the deadline of one attempt. The caller adds the default by `.prefault`. */
export function attemptTimeout(): z.ZodType<number, string | 0> {
  return duration({ maxMs: DAY_MS }).describe("Deadline of one attempt to send; 0s for none");
}

const GRPC_STATUSES = [
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

/** The schema of a list of statuses: HTTP statuses are numbers, gRPC statuses are names. */
const statuses = (what: string) =>
  z
    .array(
      z.union([z.int().min(300).max(599), z.enum(GRPC_STATUSES)], {
        error: "must be an HTTP status such as 404, or a gRPC status such as NOT_FOUND",
      }),
    )
    .default([])
    .describe(what);

export const retrySchema: z.ZodType<RetryConfig> = z
  .strictObject({
    enabled: z.boolean().default(true).describe("Try again after a failure that may pass"),
    initial_interval: duration({ maxMs: DAY_MS }).prefault("5s").describe("Wait after the first failure"),
    randomization_factor: z
      .number()
      .min(0)
      .max(1)
      .default(0.5)
      .describe("Each wait is spread by this share to both sides, so that agents do not return all at once"),
    multiplier: z
      .number()
      .min(0)
      .max(100)
      .default(1.5)
      .describe("How much longer each wait is than the last"),
    max_interval: duration({ maxMs: DAY_MS }).prefault("30s").describe("The longest wait"),
    max_elapsed_time: duration({ maxMs: 365 * DAY_MS })
      .prefault("5m")
      .describe("A request that could not be sent for so long is dropped and counted; 0s never gives up"),
    retryable_status_codes: statuses("HTTP or gRPC statuses that may pass, whatever they mean otherwise"),
    dropped_status_codes: statuses("HTTP or gRPC statuses whose requests are dropped and counted at once"),
  })
  .transform((config, context) => {
    const rules = {
      retryable: new Set(config.retryable_status_codes.map(String)),
      dropped: new Set(config.dropped_status_codes.map(String)),
    };
    for (const status of rules.retryable)
      if (rules.dropped.has(status))
        context.addIssue({
          code: "custom",
          path: ["dropped_status_codes"],
          message: `has ${status}, which is in retryable_status_codes too`,
          input: status,
        });
    return {
      enabled: config.enabled,
      initialIntervalMs: config.initial_interval,
      randomizationFactor: config.randomization_factor,
      multiplier: config.multiplier,
      maxIntervalMs: config.max_interval,
      maxElapsedMs: config.max_elapsed_time,
      rules,
    };
  });
