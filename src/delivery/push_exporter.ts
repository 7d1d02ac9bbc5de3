// SPDX-License-Identifier: Apache-2.0
import type { Exporter, Settings } from "../component/component.ts";
import type { NoRoom } from "../component/consumer.ts";
import type { Ended, Reading } from "../metrics/model.ts";
import type { OnUnsound } from "../metrics/sound.ts";
import type { Answer } from "../peer/answer.ts";
import type { Send } from "./attempt.ts";
import type { DeliveryConfig } from "./config.ts";
import { DeliveryChain } from "./delivery_chain.ts";
import type { EncodedRequest } from "./queue.ts";

/**
 * The connection to a peer, or the output file of the file exporter. It passes through these phases:
 *
 * 1. `PushExporterOptions::connect` makes it. The peer need not be reachable yet.
 * 2. `send` makes attempts, several at a time. `refresh` can be called while attempts are under way.
 * 3. `close` ends it, once. Nothing is sent after that.
 */
export interface Transport {
  readonly send: Send;
  /**
   * Reads the certificates again from the files that the config names. Rejects if the files are faulty; then the
   * transport goes on with the certificates that it has.
   */
  refresh?(): Promise<void>;
  /** Ends the transport. Resolves when attempts that are under way have ended, or soon after the deadline aborts. */
  close(deadline: AbortSignal): void | Promise<void>;
}

/** Passes a request to the queue. Returns true if the queue accepted it; false if it was counted as lost. */
export type Emit = (request: EncodedRequest) => boolean;

/** Turns readings and ends of resources into encoded requests, and emits them. */
export interface RequestMaker {
  consume(reading: Reading): void;
  end(ended: Ended): void;
}

/** The parts in which exporters that push differ from each other. */
export interface PushExporterOptions {
  /** The exporter's type by its current name. The exporter's id may have an older name of the type, such as `otlp`. */
  readonly type: string;
  readonly settings: Settings;
  readonly config: DeliveryConfig;
  /**
   * Makes the encoder of readings. It passes points that it does not send to `onUnsound`, which counts them as lost.
   */
  makeRequests(emit: Emit, onUnsound: OnUnsound): RequestMaker;
  /** Reads the files that the config names, and begins to connect. Rejects with the name of a file that is faulty. */
  connect(): Promise<Transport>;
}

const NOT_STARTED: Answer = { kind: "busy", status: "internal", error: "BUG: the exporter has not started" };

/**
 * An exporter that pushes. A RequestMaker encodes readings, a DeliveryChain queues requests, a Transport sends them.
 */
export class PushExporter implements Exporter {
  readonly #options: PushExporterOptions;
  readonly #requests: RequestMaker;
  readonly #chain: DeliveryChain;
  #transport: Transport | undefined;

  constructor(options: PushExporterOptions) {
    this.#options = options;
    const { type, settings, config } = options;
    this.#chain = new DeliveryChain({
      type,
      settings,
      config,
      random: Math.random,
      send: (batch, signal) => this.#transport?.send(batch, signal) ?? Promise.resolve(NOT_STARTED),
    });
    this.#requests = options.makeRequests(
      (request) => this.#chain.enqueue(request),
      (families, resource) => this.#chain.countUnsound(families, resource),
    );
  }

  async start(): Promise<void> {
    this.#transport = await this.#options.connect();
    await this.#chain.start();
  }

  /** Reads the certificates again. Attempts that are under way end on connections with the old certificates. */
  async refresh(): Promise<void> {
    await this.#transport?.refresh?.();
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    await this.#chain.shutdown(deadline);
    await this.#transport?.close(deadline);
  }

  noRoom(resourceKey: string): NoRoom | undefined {
    return this.#chain.noRoom(resourceKey);
  }

  consume(reading: Reading): void {
    this.#requests.consume(reading);
  }

  end(ended: Ended): void {
    this.#requests.end(ended);
  }
}
