// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../../component/component.ts";
import { createOtlpExporter } from "../../delivery/otlp_exporter.ts";
import type { PushExporter } from "../../delivery/push_exporter.ts";
import type { OtlpGrpcConfig } from "./config.ts";
import { openOtlpGrpc } from "./transport.ts";

/** Makes the exporter: readings become OTLP requests, which a delivery chain sends over gRPC. */
export function createOtlpGrpcExporter(config: OtlpGrpcConfig, settings: Settings): PushExporter {
  return createOtlpExporter({
    type: "otlp_grpc",
    settings,
    config,
    connect: () => openOtlpGrpc(config, settings),
  });
}
