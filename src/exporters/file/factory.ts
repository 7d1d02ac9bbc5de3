// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import type { ExporterFactory } from "../../component/factory.ts";
import { storageUse } from "../../delivery/storage_use.ts";
import { type FileConfig, fileSchema } from "./config.ts";
import { createFileExporter } from "./exporter.ts";

/** Writes OTLP to a file, as the Collector's exporter `file` does. */
export const factory: ExporterFactory<FileConfig> = {
  stability: "beta",
  schema: fileSchema,
  claims: ({ path }) => [`file ${resolve(path)}`],
  uses: ({ sendingQueue }) => storageUse(sendingQueue),
  create: createFileExporter,
};
