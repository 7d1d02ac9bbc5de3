// SPDX-License-Identifier: Apache-2.0
import { authUse } from "../../auth/config.ts";
import type { ExporterFactory } from "../../component/factory.ts";
import { storageUse } from "../../delivery/storage_use.ts";
import { type OtlpGrpcConfig, otlpGrpcSchema } from "./config.ts";
import { createOtlpGrpcExporter } from "./exporter.ts";
import { remarksOnOtlpGrpc } from "./remarks.ts";

/** Pushes to any OTLP receiver over gRPC, as the Collector's exporter `otlp_grpc` does. */
export const factory: ExporterFactory<OtlpGrpcConfig> = {
  stability: "beta",
  schema: otlpGrpcSchema,
  uses: ({ sendingQueue, auth }) => [...storageUse(sendingQueue), ...authUse(auth, "grpc_authenticator")],
  remarks: remarksOnOtlpGrpc,
  create: createOtlpGrpcExporter,
};
