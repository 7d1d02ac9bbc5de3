// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { duration, size, unsupported } from "../options/values.ts";
import type { Sizer, TakeLimit } from "./queue.ts";
import { DAY_MS, type RetryConfig } from "./retry_config.ts";

/** What every pushing exporter's config has. Durations are in milliseconds. */
export interface DeliveryConfig {
  readonly timeout: number;
  readonly retry_on_failure: RetryConfig;
  readonly sending_queue: QueueConfig;
}

/** What waits to be sent: the Collector's `sending_queue`. Durations are in milliseconds. */
export interface QueueConfig {
  readonly enabled: boolean;
  /** In the sizer's unit. */
  readonly queue_size: number;
  readonly sizer: Sizer;
  readonly num_consumers: number;
  /** What a full queue loses: the newest request, or the one that has waited longest. */
  readonly overflow: "refuse_newest" | "drop_oldest";
  /** A full queue has no room: receivers scrape no further, for other exporters neither. */
  readonly block_on_overflow: boolean;
  /** A source has no room until it is known what became of its last reading. */
  readonly wait_for_result: boolean;
  /** What has waited longer is dropped; 0 for never. */
  readonly max_age: number;
  /** How many times as fast as requests come in a backlog may leave; 0 for no limit. */
  readonly backlog_rate: number;
  /** The first request after a start leaves at a random time within so long. */
  readonly start_spread: number;
  /** The extension that keeps the queue on disk; undefined for memory. */
  readonly storage?: string | undefined;
  readonly batch: BatchConfig;
}

export interface BatchConfig {
  readonly flush_timeout: number;
  /** So much goes out at once, without waiting for `flush_timeout`. */
  readonly min: TakeLimit;
  /** Bytes of the largest request. */
  readonly max_size: number;
  /** Data points of the largest request. */
  readonly max_items?: number | undefined;
}

/** gRPC servers take messages of 4 MiB unless told otherwise; larger ones cost attempts until their size is known. */
const REQUEST_BYTES_MAX = 4_000_000;
/** Room for almost any metric, and for what stands around it. */
const REQUEST_BYTES_MIN = 64 * 1024;

/** A number, whose unit a sizer says, or a text with a unit of bytes. */
type Amount = number | string;
const amount = (min: number): z.ZodType<Amount, Amount> =>
  z
    .union([z.int().min(min, { error: "must be positive" }), z.string()], {
      error: 'must be a whole number, or a size such as "64MiB"',
    })
    .refine((input) => typeof input === "number" || size().safeParse(input).success, {
      error: 'must be a whole number, or a size such as "64MiB"',
    });
const inBytes = (input: Amount): number => size({ minBytes: 0 }).parse(input);

const batchSchema: z.ZodType<BatchConfig> = z
  .strictObject({
    flush_timeout: duration({ minMs: 1, maxMs: 60_000 })
      .prefault("200ms")
      .describe("How long requests are gathered for one"),
    min_size: amount(0).optional().describe("So much goes out at once; max_size if left out"),
    max_size: amount(0)
      .optional()
      .describe(
        "The largest request, uncompressed; 4,000,000 bytes if left out, which servers usually take. A metric that is larger goes alone",
      ),
    sizer: z
      .enum(["items", "bytes"], { error: 'must be "items" or "bytes"' })
      .optional()
      .describe("The unit of numbers in min_size and max_size; items if left out, as in the Collector"),
    partition: unsupported("readings carry no client metadata"),
  })
  .transform(({ flush_timeout, min_size, max_size, sizer = "items" }, context) => {
    const isBytes = (input: Amount): boolean => typeof input === "string" || sizer === "bytes";
    const fail = (key: string, message: string): never => {
      context.addIssue({ code: "custom", path: [key], message, input: key });
      return z.NEVER;
    };
    const max = max_size === undefined || max_size === 0 ? REQUEST_BYTES_MAX : max_size;
    const maxBytes = max_size === undefined || isBytes(max) ? inBytes(max) : REQUEST_BYTES_MAX;
    if (maxBytes < REQUEST_BYTES_MIN) return fail("max_size", `must be at least ${REQUEST_BYTES_MIN} bytes`);
    const maxItems = max_size === undefined || max_size === 0 || isBytes(max) ? undefined : Number(max);
    const min = minOf(min_size, { isBytes, maxBytes, maxItems });
    if ((min.bytes ?? 0) > maxBytes || (min.items ?? 0) > (maxItems ?? Number.POSITIVE_INFINITY))
      return fail("min_size", "must be at most max_size");
    return { flush_timeout, min, max_size: maxBytes, max_items: maxItems };
  });

function minOf(
  min: Amount | undefined,
  {
    isBytes,
    maxBytes,
    maxItems,
  }: { isBytes(input: Amount): boolean; maxBytes: number; maxItems: number | undefined },
): TakeLimit {
  if (min !== undefined) return isBytes(min) ? { bytes: inBytes(min) } : { items: Number(min) };
  return maxItems === undefined ? { bytes: maxBytes } : { items: maxItems };
}

const BACKLOG_RATE_MIN = 1.5;

/** The Collector's, where it has one. */
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
    .transform(({ queue_size, sizer, ...config }, context) => {
      const hasUnit = typeof queue_size === "string" && /[A-Z]/i.test(queue_size);
      const unit = sizer ?? (hasUnit || queue_size === undefined ? "bytes" : "requests");
      if (hasUnit && unit !== "bytes") {
        const message = `is in bytes, and sizer says ${unit}`;
        context.addIssue({ code: "custom", path: ["queue_size"], message, input: queue_size });
        return z.NEVER;
      }
      for (const key of ["storage", "block_on_overflow", "start_spread"] as const) {
        const input = config[key];
        if (config.enabled || !input) continue;
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
      const value = inBytes(queue_size ?? DEFAULT_SIZES[unit]);
      const { batch, enabled } = config;
      const largest = { requests: 1, items: batch.min.items ?? 0, bytes: batch.max_size }[unit];
      if (enabled && value < largest) {
        const message = `must hold the largest request; its unit is ${unit}, and a request can have ${largest}`;
        context.addIssue({ code: "custom", path: ["queue_size"], message, input: queue_size });
      }
      return { ...config, queue_size: value, sizer: unit };
    });

const POSITIVE = "`num_consumers` must be positive";

export const queueSchema: z.ZodType<QueueConfig> = queueWith(
  z
    .int(POSITIVE)
    .min(1, POSITIVE)
    .max(1_000)
    .default(10)
    .describe("Requests sent at the same time; 1 keeps their order whatever fails"),
);

/** For destinations that take requests in their order only. */
export function orderedQueueSchema(why: string): z.ZodType<QueueConfig> {
  return queueWith(z.literal(1, `must be 1: ${why}`).default(1).describe(`Always 1: ${why}`));
}
