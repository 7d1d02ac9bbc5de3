// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { duration, unsupported } from "../options/values.ts";
import { type Amount, amount, parseAmount } from "./amount.ts";
import type { TakeLimit } from "./queue.ts";

/** How requests are put together into batches: the Collector's `sending_queue::batch`. */
export interface BatchConfig {
  /** How long a request waits for others, to be sent in one batch with them. */
  readonly flushTimeoutMs: number;
  /** When the waiting requests reach this size, they are sent at once, before `flushTimeoutMs` has passed. */
  readonly min: TakeLimit;
  /** The most bytes of one batch, before compression. */
  readonly maxBytes: number;
  /** The most data points of one batch; undefined for no limit. */
  readonly maxItems?: number | undefined;
}

/** The default of `max_size` in bytes. By default gRPC servers accept up to 4 MiB; more would cost failed attempts. */
const REQUEST_BYTES_MAX = 4_000_000;
/** The least `max_size` in bytes. Almost every metric fits into a request of this size, with its resource and scope. */
const REQUEST_BYTES_MIN = 64 * 1024;

/** The schema of `sending_queue::batch`. */
export const batchSchema: z.ZodType<BatchConfig> = z
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
    const maxBytes = max_size === undefined || isBytes(max) ? parseAmount(max) : REQUEST_BYTES_MAX;
    if (maxBytes < REQUEST_BYTES_MIN) return fail("max_size", `must be at least ${REQUEST_BYTES_MIN} bytes`);
    const maxItems = max_size === undefined || max_size === 0 || isBytes(max) ? undefined : Number(max);
    const min = minOf(min_size, { isBytes, maxBytes, maxItems });
    if ((min.bytes ?? 0) > maxBytes || (min.items ?? 0) > (maxItems ?? Number.POSITIVE_INFINITY))
      return fail("min_size", "must be at most max_size");
    return { flushTimeoutMs: flush_timeout, min, maxBytes, maxItems };
  });

function minOf(
  min: Amount | undefined,
  {
    isBytes,
    maxBytes,
    maxItems,
  }: { isBytes(input: Amount): boolean; maxBytes: number; maxItems: number | undefined },
): TakeLimit {
  if (min !== undefined) return isBytes(min) ? { bytes: parseAmount(min) } : { items: Number(min) };
  return maxItems === undefined ? { bytes: maxBytes } : { items: maxItems };
}
