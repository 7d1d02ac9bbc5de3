// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../component/component.ts";
import type { NoRoom } from "../component/consumer.ts";
import type { Family, Resource } from "../metrics/model.ts";
import type { Send } from "./attempt.ts";
import { Batcher } from "./batcher.ts";
import { CircuitBreaker } from "./circuit_breaker.ts";
import type { DeliveryConfig } from "./config.ts";
import { Intake } from "./intake.ts";
import { MemoryQueue } from "./memory_queue.ts";
import type { EncodedRequest, PendingRequest, RequestQueue } from "./queue.ts";
import { QUEUE_STORAGES } from "./queue_storage.ts";
import { type DeliveryReport, reportDeliveries } from "./report.ts";
import { Sender } from "./sender.ts";
import type { SizeFinding } from "./size_limit.ts";

export interface DeliveryChainOptions {
  /** The exporter's type. It names the queue on disk, so an id with an older name of the type finds the same queue. */
  readonly type: string;
  readonly settings: Settings;
  readonly config: DeliveryConfig;
  readonly send: Send;
  /** Gives numbers from 0 to 1, for the jitter. */
  readonly random: () => number;
}

/**
 * Brings encoded requests to a peer. A request passes four parts:
 *
 * 1. The intake adds it to the queue if there is room. If there is none, it counts the request as lost.
 * 2. The queue keeps it, in memory or on disk, until it is acknowledged.
 * 3. The batcher decides when requests leave the queue, and how many of them together. It is asked when the circuit
 *    breaker allows another batch.
 * 4. The sender sends the batch, and acts on the peer's answer: it acknowledges the
 *    requests, or requeues them.
 *
 * Each request for which `enqueue` returns true is delivered, kept on disk, or reported as lost with a reason.
 */
export class DeliveryChain {
  readonly #options: DeliveryChainOptions;
  readonly #report: DeliveryReport;
  readonly #intake: Intake;
  readonly #batcher: Batcher;
  readonly #breaker: CircuitBreaker;
  readonly #sender: Sender;
  /** The queue in memory, until `start` replaces it by the storage's if the config names one. */
  #queue: RequestQueue = new MemoryQueue();
  /** Whether the queue is on disk, so that it outlives the agent. */
  #isPersistent = false;
  /** The number of batches that are being sent. */
  #inFlight = 0;
  #state: "new" | "open" | "draining" | "closed" = "new";
  #onIdle: (() => void) | undefined;

  constructor(options: DeliveryChainOptions) {
    this.#options = options;
    const { settings, config, random } = options;
    const { clock } = settings;
    const { enabled, queueSize, sizer } = config.sendingQueue;
    const queue = (): RequestQueue => this.#queue;
    const report = reportDeliveries(settings, () => ({
      size: this.#queue.size[sizer],
      capacity: enabled ? queueSize : 0,
      points: this.#queue.size.items,
      inFlight: this.#inFlight,
    }));
    this.#report = report;
    this.#intake = new Intake({
      clock,
      config: config.sendingQueue,
      report,
      queue,
      holdReadiness: (reason) => settings.host.statuses.holdReadiness("exporter", settings.id, reason),
    });
    this.#batcher = new Batcher({
      clock,
      config: config.sendingQueue,
      queue,
      onDue: () => this.#sendDue(),
    });
    const retry = config.retryOnFailure;
    this.#breaker = new CircuitBreaker({ clock, retry, random, onReady: () => this.#sendDue() });
    this.#sender = new Sender({
      clock,
      timeoutMs: config.timeoutMs,
      retry,
      isPersistent: () => this.#isPersistent,
      breaker: this.#breaker,
      report,
      send: options.send,
      requeue: (requests) => this.#requeue(requests),
      acknowledge: (requests) => this.#intake.acknowledge(requests),
      onTooLarge: (finding) => this.#limitBatches(finding),
    });
  }

  /** Opens the storage, if the config names one, and begins to send. Rejects if the storage cannot be used. */
  async start(): Promise<void> {
    const { settings, config, random } = this.#options;
    const { storage, startSpreadMs } = config.sendingQueue;
    if (storage !== undefined) this.#openStorage(storage);
    this.#state = "open";
    this.#intake.open();
    this.#breaker.startAfter(startSpreadMs * random());
    const { requests, bytes } = this.#queue.size;
    if (requests > 0) {
      settings.logger.info({ requests, bytes }, "Going on with what is in the queue.");
      this.#batcher.flush();
    }
    this.#sendDue();
  }

  noRoom(source: string): NoRoom | undefined {
    return this.#intake.noRoom(source);
  }

  /** Adds a request to the queue. Returns true if the queue accepted it; false if it was counted as lost. */
  enqueue(request: EncodedRequest): boolean {
    if (!this.#intake.enqueue(request)) return false;
    this.#report.enqueued();
    this.#batcher.enqueued(request.bytes.length);
    this.#sendDue();
    return true;
  }

  /** Counts points as lost that no request contains, since their numbers are no counts, such as a negative sum. */
  countUnsound(families: readonly Family[], { key }: Resource): void {
    const error = `"${families[0]?.name}" of "${key}" has a number that is no count`;
    this.#report.leftOut(families.length, error);
  }

  /**
   * Ends the chain:
   *
   * 1. The intake rejects all further requests.
   * 2. Each request in memory gets one more attempt. Requests on disk stay there.
   * 3. When these attempts have ended, or when the deadline aborts, attempts that are still under way are broken off.
   * 4. Requests that are still in memory are counted as lost, and the queue is closed.
   */
  async shutdown(deadline: AbortSignal): Promise<void> {
    if (this.#state === "draining" || this.#state === "closed") return;
    const hasStarted = this.#state === "open";
    this.#state = "draining";
    this.#intake.close();
    this.#sender.drain();
    this.#breaker.drain();
    this.#batcher.drain();
    if (hasStarted && !this.#isPersistent) this.#sendDue();
    if (this.#inFlight > 0 && !deadline.aborted) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
        deadline.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    this.#state = "closed";
    this.#sender.close();
    this.#breaker.stop();
    this.#reportRest();
    await this.#queue.close();
    this.#report.close();
  }

  /** Replaces the queue in memory by the storage's queue, and moves requests that came before the start into it. */
  #openStorage(storage: string): void {
    const { settings, type } = this.#options;
    const offered = settings.host.single(QUEUE_STORAGES).get(storage);
    if (offered === undefined)
      throw new Error(`sending_queue::storage: "${storage}" is not in service::extensions`);
    const queue = offered.openQueue(settings.id.replace(/^[^/]*/, type), (lost, where) => {
      const error = `a record of ${where} cannot be read`;
      this.#report.dropped(lost.items, { reason: "corrupt", errorType: "corrupt", error });
    });
    for (const { bytes, points } of this.#queue.take({})) {
      const error = queue.add({ bytes, points }, settings.clock.nowMs());
      if (error !== undefined) this.#report.rejected(points, error);
    }
    this.#queue = queue;
    this.#isPersistent = true;
  }

  /** Sends the batches that are due, until as many are being sent as the circuit breaker allows. */
  #sendDue(): void {
    if (this.#state === "new" || this.#state === "closed") return;
    if (this.#state === "draining" && this.#isPersistent) return;
    const { numConsumers } = this.#options.config.sendingQueue;
    this.#intake.dropExpired();
    while (this.#inFlight < this.#breaker.allowed(numConsumers)) {
      const requests = this.#batcher.next();
      if (requests.length === 0) return;
      this.#inFlight++;
      void this.#sender.send(requests).then(() => this.#sent());
    }
  }

  #sent(): void {
    this.#inFlight--;
    this.#sendDue();
    if (this.#inFlight === 0) this.#onIdle?.();
  }

  #requeue(requests: readonly PendingRequest[]): void {
    this.#queue.requeue(requests);
    this.#batcher.requeued(requests);
  }

  #limitBatches(finding: SizeFinding): void {
    if (!this.#batcher.limitTo(finding)) return;
    this.#options.settings.logger.warn(
      { bytes: finding.passedBytes, option: "sending_queue::batch::max_size" },
      "The receiver takes smaller requests only; batches are no larger from now on. Set the option to save the failed attempts.",
    );
  }

  /** Reports the requests that are still in the queue when the chain ends: kept on disk, or lost. */
  #reportRest(): void {
    const { requests, items } = this.#queue.size;
    if (requests === 0) return;
    if (this.#isPersistent) {
      this.#options.settings.logger.info({ requests, items }, "What was not delivered stays on disk.");
      return;
    }
    const error = "the agent stopped before the request was delivered";
    this.#report.dropped(items, { reason: "shutdown", errorType: "shutdown", error }, requests);
  }
}
