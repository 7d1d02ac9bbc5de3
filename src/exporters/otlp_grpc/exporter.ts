import { credentials } from "@grpc/grpc-js";
import type { Exporter, Settings, Verdict } from "../../component/component.ts";
import { Delivery, type SendOutcome } from "../../delivery/delivery.ts";
import { type Ended, pointCount, type Reading } from "../../metrics/model.ts";
import { createOtlpEncoder } from "../../otlp/encode.ts";
import { OtlpRequests } from "../../otlp/requests.ts";
import { channelOptions, loadCredentials, OtlpGrpcClient } from "./client.ts";
import type { OtlpGrpcConfig } from "./config.ts";

const NOT_STARTED: SendOutcome = { kind: "permanent", errorType: "internal", error: "BUG: not started" };

/** Readings → requests (OtlpRequests) → queue, batches and retries (Delivery) → the wire (OtlpGrpcClient). */
export class OtlpGrpcExporter implements Exporter {
  readonly #config: OtlpGrpcConfig;
  readonly #settings: Settings;
  readonly #requests: OtlpRequests;
  readonly #delivery: Delivery;
  #client: OtlpGrpcClient | undefined;

  constructor(config: OtlpGrpcConfig, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    this.#delivery = new Delivery({
      type: "otlp_grpc",
      settings,
      config,
      random: Math.random,
      send: (bytes, points, signal) =>
        this.#client?.send(bytes, points, signal) ?? Promise.resolve(NOT_STARTED),
    });
    this.#requests = new OtlpRequests({
      encoder: createOtlpEncoder({ name: settings.build.command, version: settings.build.version }),
      requestBytesMax: config.sending_queue.batch.max_size,
      marksEnds: config.staleness_markers,
      emit: (request) => this.#delivery.offer(request),
      insist: (request) => this.#delivery.insist(request),
    });
  }

  async start(): Promise<void> {
    this.#client = await this.#connect();
    await this.#delivery.start();
  }

  /** Goes over to the certificates that the files hold now; requests that are on their way end on the old connection. */
  async refresh(): Promise<void> {
    if (this.#isPlain) return;
    const old = this.#client;
    this.#client = await this.#connect();
    old?.close();
  }

  get #isPlain(): boolean {
    const { endpoint, tls } = this.#config;
    return endpoint.security === "plain" || (endpoint.security === "configured" && tls.insecure);
  }

  async #connect(): Promise<OtlpGrpcClient> {
    const { endpoint, tls, headers, timeout, wait_for_ready } = this.#config;
    const { build } = this.#settings;
    return new OtlpGrpcClient({
      target: endpoint.target,
      credentials: this.#isPlain ? credentials.createInsecure() : await loadCredentials(tls),
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
    await this.#delivery.shutdown(deadline);
    this.#client?.close();
  }

  consume(reading: Reading): Verdict {
    return this.#requests.consume(reading);
  }

  end(ended: Ended): void {
    this.#requests.end(ended);
  }

  miss({ schema }: Reading): void {
    this.#delivery.miss(pointCount(schema));
  }

  isBlocked({ resource }: Reading): boolean {
    return this.#delivery.isBlocked(resource.key);
  }
}
