import { compress } from "snappyjs";
import type { Exporter, Settings, Verdict } from "../../component/component.ts";
import { Delivery, type SendOutcome } from "../../delivery/delivery.ts";
import type { Ended, Reading } from "../../metrics/model.ts";
import { Conflicts, type ConflictWords } from "../../prometheus/conflicts.ts";
import { connectHttp, type HttpPushClient } from "../../push_http/client.ts";
import type { RemoteWriteConfig } from "./config.ts";
import { remoteWriteProtocol } from "./protocol.ts";
import { RemoteWriteRequests } from "./requests.ts";

const NOT_STARTED: SendOutcome = { kind: "permanent", errorType: "internal", error: "BUG: not started" };

const CONFLICTS: ConflictWords = {
  metric: "otelcol_exporter_prometheus_remote_write_conflicts",
  description:
    "Families, series and labels that could not be written as their sources have them, once per layout; readings of resources that have another one's labels, each time.",
  message: "Metrics that collide are not written as their sources have them.",
};

/** Readings → requests (RemoteWriteRequests) → queue, batches and retries (Delivery) → snappy → the wire. */
export class RemoteWriteExporter implements Exporter {
  readonly #config: RemoteWriteConfig;
  readonly #settings: Settings;
  readonly #conflicts: Conflicts;
  readonly #requests: RemoteWriteRequests;
  readonly #delivery: Delivery;
  /** Of requests that are being sent, so that a receiver that is away costs no more than one that is there. */
  readonly #bodies = new WeakMap<Uint8Array, Uint8Array>();
  #client: HttpPushClient | undefined;

  constructor(config: RemoteWriteConfig, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    this.#conflicts = new Conflicts(settings, CONFLICTS);
    this.#delivery = new Delivery({
      type: "prometheus_remote_write",
      settings,
      config,
      random: Math.random,
      send: (bytes, _points, signal) => this.#send(bytes, signal),
    });
    this.#requests = new RemoteWriteRequests({
      namespace: config.namespace,
      labels: config.labels,
      requestBytesMax: config.sending_queue.batch.max_size,
      onConflict: (conflict) => this.#conflicts.add(conflict),
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
    await this.#client?.refresh();
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    await this.#delivery.shutdown(deadline);
    this.#client?.close();
  }

  consume(reading: Reading): Verdict {
    const verdict = this.#requests.consume(reading);
    this.#conflicts.report();
    return verdict;
  }

  end(ended: Ended): void {
    this.#requests.end(ended);
  }

  miss({ schema }: Reading): void {
    this.#delivery.miss(schema.width);
  }

  isBlocked({ resource }: Reading): boolean {
    return this.#delivery.isBlocked(resource.key);
  }

  #connect(): Promise<HttpPushClient> {
    const { url } = this.#config;
    return connectHttp({
      url,
      config: this.#config,
      protocol: remoteWriteProtocol,
      settings: this.#settings,
    });
  }

  async #send(request: Uint8Array, signal: AbortSignal): Promise<SendOutcome> {
    let body = this.#bodies.get(request);
    // Of a Buffer the library makes a Buffer, which holds on to all of the memory that might have been needed.
    body ??= compress(new Uint8Array(request.buffer, request.byteOffset, request.length));
    this.#bodies.set(request, body);
    return (await this.#client?.post(body, signal)) ?? NOT_STARTED;
  }
}
