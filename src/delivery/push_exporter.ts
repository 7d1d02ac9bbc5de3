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
 * The connection to a peer, or the file that takes its place. It passes through these phases:
 *
 * 1. `PushExporterOptions::connect` makes it. The peer need not be there yet.
 * 2. `send` makes attempts, several at a time. `refresh` may be called between them.
 * 3. `close` ends it, once. Nothing is sent after that.
 */
export interface Transport {
  readonly send: Send;
  /** Reads the files again that the config names. Rejects if they are faulty; the transport then keeps what it had read. */
  refresh?(): Promise<void>;
  /** Resolves when the attempts that are under way have ended; at the latest soon after the deadline aborts. */
  close(deadline: AbortSignal): void | Promise<void>;
}

/** Takes a request. Returns whether it is in the queue now; otherwise it has been counted as lost. */
export type Emit = (request: EncodedRequest) => boolean;

/** Turns readings and ends of resources into encoded requests, and emits them. */
export interface RequestMaker {
  consume(reading: Reading): void;
  end(ended: Ended): void;
}

export interface PushExporterOptions {
  /** The exporter's type. The id may have an older name of it. */
  readonly type: string;
  readonly settings: Settings;
  readonly config: DeliveryConfig;
  /** The maker reports points that it leaves out to `onUnsound`, which counts them as lost. */
  makeRequests(emit: Emit, onUnsound: OnUnsound): RequestMaker;
  /** Reads the files that the config names, and begins to connect. Rejects if a file is faulty, with its name. */
  connect(): Promise<Transport>;
}

const NOT_STARTED: Answer = { kind: "busy", status: "internal", error: "BUG: the exporter has not started" };

/** An exporter that pushes: a RequestMaker encodes readings, a DeliveryChain queues and retries, a Transport sends. */
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

  /** Uses what the files hold now. Attempts that are under way end on the old connections. */
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
