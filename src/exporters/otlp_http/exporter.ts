import type { Exporter, Settings, Verdict } from "../../component/component.ts";
import { Delivery, type SendOutcome } from "../../delivery/delivery.ts";
import { type Ended, pointCount, type Reading } from "../../metrics/model.ts";
import { createOtlpEncoder } from "../../otlp/encode.ts";
import { OtlpRequests } from "../../otlp/requests.ts";
import { connectHttp, type HttpPushClient } from "../../push_http/client.ts";
import { type BodyFormat, bodyFormat } from "./body.ts";
import type { OtlpHttpConfig } from "./config.ts";
import { otlpHttpProtocol } from "./protocol.ts";

const NOT_STARTED: SendOutcome = { kind: "permanent", errorType: "internal", error: "BUG: not started" };

/** Readings → requests (OtlpRequests) → queue, batches and retries (Delivery) → bodies (BodyFormat) → the wire. */
export class OtlpHttpExporter implements Exporter {
  readonly #config: OtlpHttpConfig;
  readonly #settings: Settings;
  readonly #requests: OtlpRequests;
  readonly #delivery: Delivery;
  readonly #format: BodyFormat;
  /** Of requests that are being sent, so that a receiver that is away costs no more than one that is there. */
  readonly #bodies = new WeakMap<Uint8Array, Uint8Array>();
  #client: HttpPushClient | undefined;

  constructor(config: OtlpHttpConfig, settings: Settings) {
    const { build } = settings;
    this.#config = config;
    this.#settings = settings;
    this.#format = bodyFormat(config.encoding, config.compression);
    this.#delivery = new Delivery({
      type: "otlp_http",
      settings,
      config,
      random: Math.random,
      send: (bytes, _points, signal) => this.#send(bytes, signal),
    });
    this.#requests = new OtlpRequests({
      encoder: createOtlpEncoder({ name: build.command, version: build.version }),
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

  /** Goes over to the certificates that the files hold now; requests that are on their way end on the old connections. */
  async refresh(): Promise<void> {
    if (!this.#config.url.isTls) return;
    const old = this.#client;
    this.#client = await this.#connect();
    old?.close();
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

  #connect(): Promise<HttpPushClient> {
    const { clock, build } = this.#settings;
    const protocol = otlpHttpProtocol(this.#format.headers);
    return connectHttp({ url: this.#config.url, config: this.#config, protocol, clock, build });
  }

  async #send(request: Uint8Array, signal: AbortSignal): Promise<SendOutcome> {
    let body = this.#bodies.get(request);
    try {
      body ??= await this.#format.encode(request, signal);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      return signal.aborted
        ? { kind: "retryable", errorType: "timeout", error: "encoding took too long", delayMs: 0 }
        : { kind: "permanent", errorType: "encoding", error: `cannot encode a request: ${text}` };
    }
    this.#bodies.set(request, body);
    return (await this.#client?.post(body, signal)) ?? NOT_STARTED;
  }
}
