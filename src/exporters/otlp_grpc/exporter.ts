import type { Settings } from "../../component/component.ts";
import { PushExporter } from "../../delivery/push_exporter.ts";
import { createOtlpEncoder } from "../../otlp/encode.ts";
import { OtlpRequests } from "../../otlp/requests.ts";
import type { OtlpGrpcConfig } from "./config.ts";
import { connectGrpc } from "./connection.ts";

/** Readings → OTLP requests → queue, batches and retries → gRPC. */
export function createOtlpGrpcExporter(config: OtlpGrpcConfig, settings: Settings): PushExporter {
  const { build } = settings;
  return new PushExporter({
    type: "otlp_grpc",
    settings,
    config,
    makeRequests: (emit) =>
      new OtlpRequests({
        encoder: createOtlpEncoder({ name: build.command, version: build.version }),
        requestBytesMax: config.sending_queue.batch.max_size,
        marksEnds: config.staleness_markers,
        emit,
      }),
    connect: () => connectGrpc(config, settings),
  });
}
