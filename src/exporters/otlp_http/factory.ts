// SPDX-License-Identifier: Apache-2.0
import { authUse } from "../../auth/config.ts";
import type { ExporterFactory } from "../../component/factory.ts";
import { storageUse } from "../../delivery/storage_use.ts";
import { remarksOnEndpoint } from "../../peer/endpoint_remarks.ts";
import { type OtlpHttpConfig, otlpHttpSchema } from "./config.ts";
import { createOtlpHttpExporter } from "./exporter.ts";

/** Pushes to any OTLP receiver over HTTP, as the Collector's exporter `otlp_http` does. */
export const factory: ExporterFactory<OtlpHttpConfig> = {
  stability: "beta",
  schema: otlpHttpSchema,
  uses: ({ sendingQueue, auth }) => [...storageUse(sendingQueue), ...authUse(auth, "http_authenticator")],
  remarks: ({ url, endpointOption: option }) =>
    url.socketPath === undefined ? remarksOnEndpoint({ protocol: "otlp_http", option, ...url }) : [],
  create: createOtlpHttpExporter,
};
