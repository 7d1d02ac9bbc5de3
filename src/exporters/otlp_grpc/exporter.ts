import type { Exporter, Settings, Verdict } from "../../component/component.ts";
import { Delivery, type SendOutcome } from "../../delivery/delivery.ts";
import { type Ended, pointCount, type Reading } from "../../metrics/model.ts";
import { createOtlpEncoder } from "../../otlp/encode.ts";
import { OtlpRequests } from "../../otlp/requests.ts";
import type { OtlpGrpcConfig } from "./config.ts";
import { connectGrpc, type GrpcConnection } from "./connection.ts";

const NOT_STARTED: SendOutcome = { kind: "permanent", errorType: "internal", error: "BUG: not started" };

/** Readings → requests (OtlpRequests) → queue, batches and retries (Delivery) → the wire (GrpcConnection). */
export class OtlpGrpcExporter implements Exporter {
  readonly #config: OtlpGrpcConfig;
  readonly #settings: Settings;
  readonly #requests: OtlpRequests;
  readonly #delivery: Delivery;
  #connection: GrpcConnection | undefined;

  constructor(config: OtlpGrpcConfig, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    this.#delivery = new Delivery({
      type: "otlp_grpc",
      settings,
      config,
      random: Math.random,
      send: (bytes, points, signal) =>
        this.#connection?.send(bytes, points, signal) ?? Promise.resolve(NOT_STARTED),
    });
    this.#requests = new OtlpRequests({
      encoder: createOtlpEncoder({ name: settings.build.command, version: settings.build.version }),
      requestBytesMax: config.sending_queue.batch.max_size,
      emit: (request) => this.#delivery.offer(request),
      insist: (request) => this.#delivery.insist(request),
    });
  }

  async start(): Promise<void> {
    this.#connection = await connectGrpc(this.#config, this.#settings);
    await this.#delivery.start();
  }

  /** Goes over to the certificates that the files hold now; requests that are on their way end on the old connection. */
  async refresh(): Promise<void> {
    await this.#connection?.refresh();
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    await this.#delivery.shutdown(deadline);
    this.#connection?.close();
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
