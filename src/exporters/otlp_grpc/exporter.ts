import { credentials } from "@grpc/grpc-js";
import type { Settings } from "../../component/component.ts";
import { PushExporter } from "../../delivery/push_exporter.ts";
import { createOtlpEncoder } from "../../otlp/encode.ts";
import { OtlpRequests } from "../../otlp/requests.ts";
import { channelOptions, loadCredentials, OtlpGrpcClient } from "./client.ts";
import type { OtlpGrpcConfig } from "./config.ts";

/** Readings → OTLP requests → queue, batches and retries → gRPC. */
export function createOtlpGrpcExporter(config: OtlpGrpcConfig, settings: Settings): PushExporter {
  const { build } = settings;
  return new PushExporter({
    type: "otlp_grpc",
    settings,
    config,
    hasFiles: !isPlain(config),
    makeRequests: (emit) =>
      new OtlpRequests({
        encoder: createOtlpEncoder({ name: build.command, version: build.version }),
        requestBytesMax: config.sending_queue.batch.max_size,
        emit,
      }),
    connect: () => connect(config, settings),
  });
}

function isPlain({ endpoint, tls }: OtlpGrpcConfig): boolean {
  return endpoint.security === "plain" || (endpoint.security === "configured" && tls.insecure);
}

async function connect(config: OtlpGrpcConfig, { build }: Settings): Promise<OtlpGrpcClient> {
  const { endpoint, tls, headers, timeout, wait_for_ready } = config;
  return new OtlpGrpcClient({
    target: endpoint.target,
    credentials: isPlain(config) ? credentials.createInsecure() : await loadCredentials(tls),
    headers,
    timeoutMs: timeout,
    waitForReady: wait_for_ready,
    channel: channelOptions({
      compression: config.compression,
      userAgent: config.user_agent ?? `${build.command}/${build.version}`,
      balancer: config.balancer_name,
      keepalive: config.keepalive,
      authority: config.authority,
      serverName: tls.server_name_override,
    }),
  });
}
