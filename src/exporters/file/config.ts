// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import {
  type DeliveryConfig,
  orderedQueueSchema,
  type QueueConfig,
  toDeliveryConfig,
} from "../../delivery/config.ts";
import { attemptTimeout, retrySchema } from "../../delivery/retry_config.ts";
import { duration, unsupported } from "../../options/values.ts";
import { stalenessMarkers } from "../../otlp/config.ts";
import type { Rotation } from "./rotation.ts";

/** The options of the Collector's exporter `file`, and the delivery options of every exporter that pushes. */
export interface FileConfig extends DeliveryConfig {
  readonly path: string;
  /** Whether the file keeps the content that it has at the start. Otherwise it is emptied. */
  readonly keep: boolean;
  readonly format: "json" | "proto";
  readonly compression: "none" | "zstd";
  readonly rotation: Rotation | undefined;
  /** The mode with which a missing directory is made; undefined if a missing directory is an error. */
  readonly directoryMode: number | undefined;
  /** The mode with which the file is made if it is missing. */
  readonly fileMode: number;
  readonly stalenessMarkers: boolean;
}

const OCTAL = /^0?[0-7]{3}$/;
const MEGABYTE = 1024 * 1024;

const rotationSchema: z.ZodType<Rotation> = z
  .strictObject({
    max_megabytes: z
      .int()
      .min(1)
      .max(1024 * 1024)
      .default(100)
      .describe("A record that would make the file larger (in MiB) begins a new one"),
    max_days: z.int().min(0).max(36_500).default(0).describe("Older files are removed; 0 keeps them"),
    max_backups: z
      .int()
      .min(0)
      .max(100_000)
      .default(100)
      .describe("So many old files are kept, the newest; 0 keeps all"),
    localtime: z.boolean().default(false).describe("The time in their names is local time, not UTC"),
  })
  .transform((config) => ({
    bytesMax: config.max_megabytes * MEGABYTE,
    daysMax: config.max_days,
    backupsMax: config.max_backups,
    isLocalTime: config.localtime,
  }));

/** The schema of `rotation`. `rotation:` without a value turns it on with its defaults, as in the Collector. */
const rotation = rotationSchema
  .nullable()
  .optional()
  .transform((config) => (config === null ? rotationSchema.parse({}) : config));

/** The default of `batch::flush_timeout`, in milliseconds. If the option has this value, it counts as not given. */
const FLUSH_TIMEOUT_MS = 200;
/** The default of `flush_interval`, in milliseconds. */
const FLUSH_INTERVAL_MS = 1_000;

export const fileSchema: z.ZodType<FileConfig> = z
  .strictObject({
    path: z.string().min(1, "must not be empty").describe("Where to write"),
    append: z
      .boolean()
      .default(false)
      .describe("Keep what is in the file at the start; otherwise it is emptied, unless there is a rotation"),
    format: z
      .enum(["json", "proto"])
      .default("json")
      .describe("json: a line for each request; proto: its bytes behind their number"),
    compression: z
      .enum(["none", "zstd", ""], { error: 'must be "zstd" or "none"' })
      .default("none")
      .describe("The codec for each request by itself, which is then written behind the number of its bytes"),
    rotation: rotation.describe("Begin a new file from time to time"),
    flush_interval: duration({ minMs: 1, maxMs: 60_000 })
      .optional()
      .describe(
        "How long readings are gathered for one line; sending_queue::batch::flush_timeout if left out, or 1s",
      ),
    create_directory: z.boolean().default(false).describe("Make the file's directory where it is missing"),
    directory_permissions: z
      .string()
      .regex(OCTAL, 'must be octal, such as "0755"')
      .optional()
      .describe("Of a directory that is made, whatever the umask; 0755 if left out"),
    file_permissions: z
      .string()
      .regex(OCTAL, 'must be octal, such as "0640"')
      .default("0600")
      .describe("Of a file that is made, whatever the umask; one that is there keeps its own"),
    timeout: attemptTimeout().prefault("5s"),
    staleness_markers: stalenessMarkers(),
    retry_on_failure: retrySchema.prefault({}),
    sending_queue: orderedQueueSchema("a file has one writer").prefault({}),
    encoding: unsupported("format is json or proto"),
    group_by: unsupported("all sandboxes share a file"),
  })
  .superRefine((config, context) => {
    const fail = (path: string[], message: string): void =>
      context.addIssue({ code: "custom", path, message, input: config });
    if (config.append && config.rotation !== undefined)
      fail(["append"], "cannot be given together with rotation, which appends anyway");
    if (config.directory_permissions !== undefined && !config.create_directory)
      fail(["directory_permissions"], "requires create_directory to be true");
    const { flushTimeoutMs } = config.sending_queue.batch;
    if (config.flush_interval !== undefined && flushTimeoutMs !== FLUSH_TIMEOUT_MS)
      fail(["flush_interval"], "is given already, as sending_queue::batch::flush_timeout");
  })
  .transform((config) => ({
    path: config.path,
    keep: config.append || config.rotation !== undefined,
    format: config.format,
    compression: config.compression === "" ? "none" : config.compression,
    rotation: config.rotation,
    directoryMode: config.create_directory
      ? Number.parseInt(config.directory_permissions ?? "0755", 8)
      : undefined,
    fileMode: Number.parseInt(config.file_permissions, 8),
    stalenessMarkers: config.staleness_markers,
    ...toDeliveryConfig({
      ...config,
      sending_queue: withFlushInterval(config.sending_queue, config.flush_interval),
    }),
  }));

/** The most requests that are written or wait to be written if the queue is turned off. Further ones are lost. */
const WAITING_MAX = 10;

/** Returns the queue's config with the exporter's flush interval and, if the queue is off, `WAITING_MAX` senders. */
function withFlushInterval(queue: QueueConfig, flushIntervalMs: number | undefined): QueueConfig {
  const given = queue.batch.flushTimeoutMs;
  const ownMs = given === FLUSH_TIMEOUT_MS ? FLUSH_INTERVAL_MS : given;
  const batch = { ...queue.batch, flushTimeoutMs: flushIntervalMs ?? ownMs };
  return { ...queue, numConsumers: queue.enabled ? queue.numConsumers : WAITING_MAX, batch };
}
