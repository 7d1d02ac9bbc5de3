// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { duration } from "../options/values.ts";
import { type Amount, amount, parseAmount } from "./amount.ts";
import { type BatchConfig, batchSchema } from "./batch_config.ts";
import type { Sizer } from "./queue.ts";
import { DAY_MS, type RetryConfig } from "./retry_config.ts";

/** The options of all exporters that push. */
export interface DeliveryConfig {
  /** The deadline of one attempt to send; 0 for none. */
  readonly timeoutMs: number;
  readonly retryOnFailure: RetryConfig;
  readonly sendingQueue: QueueConfig;
}

/** The queue of requests that wait to be sent: the Collector's `sending_queue`. */
export interface QueueConfig {
  readonly enabled: boolean;
  /** The most that may be in the queue or being sent, in the unit of `sizer`. */
  readonly queueSize: number;
  readonly sizer: Sizer;
  /** How many batches may be sent at the same time. */
  readonly numConsumers: number;
  /** Whether a full queue rejects the new request, or drops requests that have waited longest to make room for it. */
  readonly overflow: "refuse_newest" | "drop_oldest";
  /**
   * Whether receivers stop scraping while the queue is full. If so, other exporters of the receivers get nothing too.
   */
  readonly blockOnOverflow: boolean;
  /** Whether a sandbox is not scraped until its last reading is delivered or dropped. */
  readonly waitForResult: boolean;
  /** The longest time for which a request waits in the queue before it is dropped; 0 for no limit. */
  readonly maxAgeMs: number;
  /** The highest rate at which a backlog leaves, as a multiple of the rate of new requests; 0 for no limit. */
  readonly backlogRate: number;
  /** The first request after a start is sent after a random delay, which is at most this one. */
  readonly startSpreadMs: number;
  /** The id of the extension that keeps the queue on disk; undefined for a queue in memory. */
  readonly storage?: string | undefined;
  readonly batch: BatchConfig;
}

/** The delivery options of an exporter by their names in YAML, after its schema has checked and converted them. */
export interface DeliverySection {
  readonly timeout: number;
  readonly retry_on_failure: RetryConfig;
  readonly sending_queue: QueueConfig;
}

/** Gives the delivery options the names that code uses. */
export function toDeliveryConfig(options: DeliverySection): DeliveryConfig {
  return {
    timeoutMs: options.timeout,
    retryOnFailure: options.retry_on_failure,
    sendingQueue: options.sending_queue,
  };
}

/** The least `backlog_rate`. At a lower rate a backlog would hardly become smaller, since new requests join it. */
const BACKLOG_RATE_MIN = 1.5;

/** The default of `queue_size` for each `sizer`. The defaults for requests and items are the Collector's. */
const DEFAULT_SIZES: Readonly<Record<Sizer, Amount>> = { requests: 1_000, items: 1_000_000, bytes: "64MiB" };

const queueWith = (num_consumers: z.ZodType<number, number | undefined>): z.ZodType<QueueConfig> =>
  z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe("Let requests wait for a sender; without, they are dropped when all senders are busy"),
      queue_size: amount(1)
        .optional()
        .describe(
          "How much may wait or be on its way: a size in bytes, or a number in the sizer's unit; 64MiB if left out",
        ),
      sizer: z
        .enum(["requests", "items", "bytes"])
        .optional()
        .describe("The unit of queue_size; requests for a number without one, as in the Collector"),
      num_consumers,
      overflow: z
        .enum(["refuse_newest", "drop_oldest"])
        .default("refuse_newest")
        .describe("Whom a full queue turns away"),
      max_age: duration({ maxMs: 365 * DAY_MS })
        .prefault("0s")
        .describe("What has waited longer is dropped and counted; 0s for never"),
      backlog_rate: z
        .number()
        .min(0)
        .max(1_000)
        .default(4)
        .describe(
          "How many times as fast as readings come in a backlog leaves after an outage; 0 for no limit",
        ),
      start_spread: duration({ maxMs: DAY_MS })
        .prefault("0s")
        .describe("The first push after a start comes at a random time within so long"),
      storage: z
        .string()
        .min(1)
        .optional()
        .describe("The file_storage extension that keeps the queue, so that it outlives the agent"),
      batch: batchSchema.prefault({}),
      block_on_overflow: z
        .boolean()
        .default(false)
        .describe("Hold up the whole pipeline while the queue is full: receivers scrape no further"),
      wait_for_result: z
        .boolean()
        .default(false)
        .describe("Scrape a sandbox again only when it is known what became of its last reading"),
    })
    .transform((config, context) => {
      const { queue_size, sizer, batch, enabled } = config;
      const hasUnit = typeof queue_size === "string" && /[A-Z]/i.test(queue_size);
      const unit = sizer ?? (hasUnit || queue_size === undefined ? "bytes" : "requests");
      if (hasUnit && unit !== "bytes") {
        const message = `is in bytes, and sizer says ${unit}`;
        context.addIssue({ code: "custom", path: ["queue_size"], message, input: queue_size });
        return z.NEVER;
      }
      for (const key of ["storage", "block_on_overflow", "start_spread"] as const) {
        const input = config[key];
        if (enabled || !input) continue;
        const message = "needs the queue, which enabled: false turns off";
        context.addIssue({ code: "custom", path: [key], message, input });
      }
      if (config.backlog_rate > 0 && config.backlog_rate < BACKLOG_RATE_MIN) {
        const message = `must be 0 for no limit, or at least ${BACKLOG_RATE_MIN}: a backlog that leaves no faster than readings come in never ends`;
        context.addIssue({ code: "custom", path: ["backlog_rate"], message, input: config.backlog_rate });
      }
      if (config.wait_for_result && config.storage !== undefined) {
        const message = "is not supported with a persistent queue configured with storage";
        context.addIssue({ code: "custom", path: ["wait_for_result"], message, input: true });
      }
      if (config.block_on_overflow && config.overflow === "drop_oldest") {
        const message = "cannot go with overflow: drop_oldest, which always makes room";
        context.addIssue({ code: "custom", path: ["block_on_overflow"], message, input: true });
      }
      const queueSize = parseAmount(queue_size ?? DEFAULT_SIZES[unit]);
      const largest = { requests: 1, items: batch.min.items ?? 0, bytes: batch.maxBytes }[unit];
      if (enabled && queueSize < largest) {
        const message = `must hold the largest request; its unit is ${unit}, and a request can have ${largest}`;
        context.addIssue({ code: "custom", path: ["queue_size"], message, input: queue_size });
      }
      return {
        enabled,
        queueSize,
        sizer: unit,
        numConsumers: config.num_consumers,
        overflow: config.overflow,
        blockOnOverflow: config.block_on_overflow,
        waitForResult: config.wait_for_result,
        maxAgeMs: config.max_age,
        backlogRate: config.backlog_rate,
        startSpreadMs: config.start_spread,
        storage: config.storage,
        batch,
      };
    });

const POSITIVE = "`num_consumers` must be positive";

/** The schema of `sending_queue` for destinations that take requests in any order. */
export const queueSchema: z.ZodType<QueueConfig> = queueWith(
  z
    .int(POSITIVE)
    .min(1, POSITIVE)
    .max(1_000)
    .default(10)
    .describe("Requests sent at the same time; 1 keeps their order whatever fails"),
);

/** The schema of `sending_queue` for destinations that take requests in their order only, for the reason `why`. */
export function orderedQueueSchema(why: string): z.ZodType<QueueConfig> {
  return queueWith(z.literal(1, `must be 1: ${why}`).default(1).describe(`Always 1: ${why}`));
}
