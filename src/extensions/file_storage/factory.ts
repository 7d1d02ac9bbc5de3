// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import { z } from "zod";
import type { ExtensionFactory } from "../../component/factory.ts";
import { duration, size, unsupported } from "../../options/values.ts";
import { FileStorage, type FileStorageConfig } from "./storage.ts";

const fsync = z
  .union([z.boolean(), duration({ minMs: 1, maxMs: 60_000 })], {
    error: 'must be true, false, or how often, such as "1s"',
  })
  .transform((input) => (typeof input === "number" ? { everyMs: input } : input ? "always" : "never"));

const schema: z.ZodType<FileStorageConfig> = z
  .strictObject({
    directory: z
      .string()
      .regex(/^\//, "must be an absolute path")
      .default("/var/lib/otelcol/file_storage")
      .describe("Holds a folder for each queue, and nothing of anybody else"),
    create_directory: z.boolean().default(false).describe("Make the directory where it is missing"),
    directory_permissions: z
      .string()
      .regex(/^0?[0-7]{3}$/, 'must be octal, such as "0750"')
      .default("0750")
      .describe("Of a directory that is made"),
    timeout: duration({ maxMs: 60_000 }).prefault("1s").describe("How long to wait for the directory's lock"),
    fsync: fsync
      .prefault(false)
      .describe(
        "Whether what is kept survives a loss of power: true for each request, a duration for at most that much, false for what the system does by itself. A death of the agent it survives anyway",
      ),
    quota: size({ minBytes: 16 * 1024 ** 2 })
      .prefault("1GiB")
      .describe("Bytes on disk of all queues; past it, they are full"),
    compaction: z.unknown().optional().describe("Accepted: space is given back as requests are delivered"),
    recreate: unsupported("a damaged record costs itself only, so there is nothing to recreate"),
  })
  .transform((config) => ({
    directory: config.directory,
    createDirectory: config.create_directory,
    directoryMode: Number.parseInt(config.directory_permissions, 8),
    lockTimeoutMs: config.timeout,
    fsync: config.fsync,
    quotaBytes: config.quota,
  }));

/** Keeps exporters' queues on disk. */
export const factory: ExtensionFactory<FileStorageConfig> = {
  stability: "beta",
  schema,
  roles: () => ["storage"],
  claims: ({ directory }) => [`directory ${resolve(directory)}`],
  create: (config, settings) => new FileStorage(config, settings),
};
