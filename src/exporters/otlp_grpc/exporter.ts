import { credentials } from "@grpc/grpc-js";
import type { Exporter, Settings, Verdict } from "../../component/component.ts";
import { Delivery, type SendOutcome } from "../../delivery/delivery.ts";
import type { Ended, Reading } from "../../metrics/model.ts";
import { OtlpBatch } from "../../otlp/batch.ts";
import { createOtlpEncoder } from "../../otlp/encode.ts";
import { channelOptions, OtlpGrpcClient } from "./client.ts";
import type { OtlpGrpcConfig } from "./config.ts";
import { loadCredentials } from "./tls.ts";

const NOT_STARTED: SendOutcome = { kind: "permanent", errorType: "internal", error: "BUG: not started" };

/** Readings → requests (OtlpBatch) → queue and retries (Delivery) → the wire (OtlpGrpcClient). */
export class OtlpGrpcExporter implements Exporter {
  readonly #config: OtlpGrpcConfig;
  readonly #settings: Settings;
  readonly #batch: OtlpBatch;
  readonly #delivery: Delivery;
  #client: OtlpGrpcClient | undefined;

  constructor(config: OtlpGrpcConfig, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    this.#delivery = new Delivery({
      settings,
      config,
      random: Math.random,
      send: (bytes, points, signal) =>
        this.#client?.send(bytes, points, signal) ?? Promise.resolve(NOT_STARTED),
    });
    const { flush_timeout, max_size } = config.sending_queue.batch;
    this.#batch = new OtlpBatch({
      encoder: createOtlpEncoder({ name: settings.build.command, version: settings.build.version }),
      clock: settings.clock,
      flushTimeoutMs: flush_timeout,
      requestBytesMax: max_size,
      emit: (request) => this.#delivery.offer(request),
    });
  }

  async start(): Promise<void> {
    const { endpoint, tls, headers, timeout, wait_for_ready } = this.#config;
    const { build } = this.#settings;
    const plain = endpoint.security === "plain" || (endpoint.security === "configured" && tls.insecure);
    this.#client = new OtlpGrpcClient({
      target: endpoint.target,
      credentials: plain ? credentials.createInsecure() : await loadCredentials(tls),
      headers,
      timeoutMs: timeout,
      waitForReady: wait_for_ready,
      channel: channelOptions({
        compression: this.#config.compression,
        userAgent: this.#config.user_agent ?? `${build.command}/${build.version}`,
        balancer: this.#config.balancer_name,
        keepalive: this.#config.keepalive,
        authority: this.#config.authority,
        serverName: tls.server_name_override,
      }),
    });
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    this.#batch.close();
    await this.#delivery.shutdown(deadline);
    this.#client?.close();
  }

  consume(reading: Reading): Verdict {
    return this.#batch.consume(reading);
  }

  end(ended: Ended): void {
    this.#batch.end(ended);
  }
}
