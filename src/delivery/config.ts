import { z } from "zod";
import { duration, size } from "../config/values.ts";

/** How a failed send is tried again: the Collector's `retry_on_failure`. Durations are in milliseconds. */
export interface RetryConfig {
  readonly enabled: boolean;
  readonly initial_interval: number;
  readonly randomization_factor: number;
  readonly multiplier: number;
  readonly max_interval: number;
  readonly max_elapsed_time: number;
}

/** What waits to be sent: the part of the Collector's `sending_queue` that this build has. Sizes are in bytes. */
export interface QueueConfig {
  readonly enabled: boolean;
  readonly queue_size: number;
  readonly num_consumers: number;
  readonly batch: BatchConfig;
}

export interface BatchConfig {
  readonly flush_timeout: number;
  readonly max_size: number;
}

/** A timer's delay is 32 bits wide; a day leaves room and is more than anybody needs. */
const DAY_MS = 86_400_000;
/** gRPC servers take messages of 4 MiB unless told otherwise; larger ones fail for good. */
const REQUEST_BYTES_MAX = 4_000_000;
/** Room for one metric that cannot be cut, and for what stands around it. */
const REQUEST_BYTES_MIN = 1024 * 1024;

/** An option of the Collector that this build refuses, saying why, rather than ignores. */
export function unsupported(why: string): z.ZodType<undefined, undefined> {
  return z.undefined({ error: `is not supported; ${why}` }).optional();
}

/** The Collector's `timeout`: the deadline of one attempt. Give the default with `.prefault("5s")`. */
export function attemptTimeout(): z.ZodType<number, string | 0> {
  return duration({ minMs: 1, maxMs: DAY_MS }).describe("Deadline of one attempt to send");
}

export const retrySchema: z.ZodType<RetryConfig> = z.strictObject({
  enabled: z.boolean().default(true).describe("Try again after a failure that may pass"),
  initial_interval: duration({ minMs: 1, maxMs: DAY_MS })
    .prefault("5s")
    .describe("Wait after the first failure"),
  randomization_factor: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("Each wait is spread by this share to both sides, so that agents do not return all at once"),
  multiplier: z.number().min(1).max(100).default(1.5).describe("How much longer each wait is than the last"),
  max_interval: duration({ minMs: 1, maxMs: DAY_MS }).prefault("30s").describe("The longest wait"),
  max_elapsed_time: duration({ maxMs: 365 * DAY_MS })
    .prefault("5m")
    .describe("A request that could not be sent for so long is dropped and counted; 0s never gives up"),
});

const batchSchema: z.ZodType<BatchConfig> = z.strictObject({
  flush_timeout: duration({ minMs: 1, maxMs: 60_000 })
    .prefault("200ms")
    .describe("How long readings are gathered for one request"),
  max_size: size({ minBytes: REQUEST_BYTES_MIN })
    .prefault(REQUEST_BYTES_MAX)
    .describe("The largest request in bytes, uncompressed; servers usually take 4 MiB"),
  sizer: z.literal("bytes").optional().describe("The unit of max_size"),
  min_size: unsupported("requests go out when flush_timeout has passed or max_size is reached"),
  partition: unsupported("readings carry no client metadata"),
});

export const queueSchema: z.ZodType<QueueConfig> = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe("Let requests wait for a sender; without, they are dropped when all senders are busy"),
    queue_size: size().prefault("64MiB").describe("Bytes of requests that may wait or be on their way"),
    num_consumers: z
      .int()
      .min(1)
      .max(1_000)
      .default(10)
      .describe("Requests sent at the same time; 1 keeps their order whatever fails"),
    batch: batchSchema.prefault({}),
    sizer: z
      .literal("bytes", { error: 'must be "bytes": memory is what a queue in memory costs' })
      .optional()
      .describe("The unit of queue_size"),
    block_on_overflow: z
      .literal(false, { error: "must be false: a receiver is never held up by an exporter" })
      .optional(),
    wait_for_result: z
      .literal(false, { error: "must be false: a receiver is never held up by an exporter" })
      .optional(),
    storage: unsupported("this build keeps the queue in memory"),
  })
  .refine(({ enabled, queue_size, batch }) => !enabled || queue_size >= batch.max_size, {
    path: ["queue_size"],
    error: ({ input }) =>
      `must hold the largest request; its unit is bytes, and batch::max_size is ${maxSizeOf(input)}`,
  });

function maxSizeOf(queue: unknown): number {
  return (queue as QueueConfig).batch.max_size;
}
