// SPDX-License-Identifier: Apache-2.0
import type { Exporter, Settings } from "../component/component.ts";
import type { NoRoom } from "../component/consumer.ts";
import type { Ended, Reading } from "../metrics/model.ts";
import type { OnUnsound } from "../metrics/sound.ts";
import type { Answer } from "../peer/answer.ts";
import type { Send } from "./attempt.ts";
import type { DeliveryConfig } from "./config.ts";
import { Delivery } from "./delivery.ts";
import type { Outgoing } from "./queue.ts";

/** The way to the peer. */
export interface Transport {
  readonly send: Send;
  /** Reads the files that the config names again. Rejects where they are no good, and goes on with what it had. */
  refresh?(): Promise<void>;
  /** Ends when what is on its way has ended; at the latest soon after the deadline aborts. */
  close(deadline: AbortSignal): void | Promise<void>;
}

/** Whether the request was kept; otherwise it is lost, and counted. */
export type Emit = (request: Outgoing) => boolean;

/** Turns readings and ends into encoded requests. */
export interface RequestMaker {
  consume(reading: Reading): void;
  end(ended: Ended): void;
}

export interface PushExporterOptions {
  /** The exporter's type, whatever older name of it the id has. */
  readonly type: string;
  readonly settings: Settings;
  readonly config: DeliveryConfig;
  /** Points that are told to `onUnsound` are counted as lost. */
  makeRequests(emit: Emit, onUnsound: OnUnsound): RequestMaker;
  /** Reads the files that the config names, and connects or begins to. Rejects, naming the file, where that fails. */
  connect(): Promise<Transport>;
}

const NOT_STARTED: Answer = { kind: "busy", status: "internal", error: "BUG: the exporter has not started" };

/** An exporter that pushes: readings → requests → queue, batches and retries (Delivery) → the peer (Transport). */
export class PushExporter implements Exporter {
  readonly #options: PushExporterOptions;
  readonly #requests: RequestMaker;
  readonly #delivery: Delivery;
  #transport: Transport | undefined;

  constructor(options: PushExporterOptions) {
    this.#options = options;
    const { type, settings, config } = options;
    this.#delivery = new Delivery({
      type,
      settings,
      config,
      random: Math.random,
      send: (batch, signal) => this.#transport?.send(batch, signal) ?? Promise.resolve(NOT_STARTED),
    });
    this.#requests = options.makeRequests(
      (request) => this.#delivery.take(request),
      (families, resource) => this.#delivery.leaveOut(families, resource),
    );
  }

  async start(): Promise<void> {
    this.#transport = await this.#options.connect();
    await this.#delivery.start();
  }

  /** Goes over to what the files hold now; requests that are on their way end on the old connections. */
  async refresh(): Promise<void> {
    await this.#transport?.refresh?.();
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    await this.#delivery.shutdown(deadline);
    await this.#transport?.close(deadline);
  }

  noRoom(resourceKey: string): NoRoom | undefined {
    return this.#delivery.noRoom(resourceKey);
  }

  consume(reading: Reading): void {
    this.#requests.consume(reading);
  }

  end(ended: Ended): void {
    this.#requests.end(ended);
  }
}
