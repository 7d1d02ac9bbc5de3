// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../component/component.ts";
import type { NoRoom } from "../component/consumer.ts";
import type { Family, Resource } from "../metrics/model.ts";
import type { Send } from "./attempt.ts";
import { Batcher } from "./batcher.ts";
import type { DeliveryConfig } from "./config.ts";
import { Intake } from "./intake.ts";
import { MemoryQueue } from "./memory_queue.ts";
import { Pace } from "./pace.ts";
import type { Outgoing, Queued, RequestQueue } from "./queue.ts";
import { QUEUE_STORAGES } from "./queue_storage.ts";
import { type DeliveryReport, reportDeliveries } from "./report.ts";
import { Sender } from "./sender.ts";
import type { SizeFinding } from "./size_limit.ts";

export interface DeliveryOptions {
  /** The exporter's type: whatever older name of it the id has, the queue on disk is the same. */
  readonly type: string;
  readonly settings: Settings;
  readonly config: DeliveryConfig;
  readonly send: Send;
  /** Numbers from 0 to 1 for the jitter. */
  readonly random: () => number;
}

/**
 * Brings requests to a peer, through parts with one verb each: the intake takes them into the queue, the batcher says
 * what leaves it together and when, the sender brings it to the peer, at the pace that the peer's answers allow. What
 * `take` returns true for is delivered, or kept on disk, or counted and logged as lost under a reason.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #report: DeliveryReport;
  readonly #intake: Intake;
  readonly #batcher: Batcher;
  readonly #pace: Pace;
  readonly #sender: Sender;
  #queue: RequestQueue = new MemoryQueue();
  /** Whether the queue outlives the agent. */
  #isKept = false;
  /** Batches on their way. */
  #inFlight = 0;
  #state: "new" | "open" | "ending" | "closed" = "new";
  #whenIdle: (() => void) | undefined;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    const { settings, config, random } = options;
    const { clock } = settings;
    const { enabled, queue_size, sizer } = config.sending_queue;
    const queue = (): RequestQueue => this.#queue;
    const report = reportDeliveries(settings, () => ({
      size: this.#queue.size[sizer],
      capacity: enabled ? queue_size : 0,
      points: this.#queue.size.items,
      inFlight: this.#inFlight,
    }));
    this.#report = report;
    this.#intake = new Intake({
      clock,
      config: config.sending_queue,
      report,
      queue,
      holdReadiness: (reason) => settings.host.statuses.holdReadiness("exporter", settings.id, reason),
    });
    this.#batcher = new Batcher({
      clock,
      config: config.sending_queue,
      queue,
      onDue: () => this.#pump(),
    });
    const retry = config.retry_on_failure;
    this.#pace = new Pace({ clock, retry, random, onGo: () => this.#pump() });
    this.#sender = new Sender({
      clock,
      timeoutMs: config.timeout,
      retry,
      isKept: () => this.#isKept,
      pace: this.#pace,
      report,
      send: options.send,
      putBack: (requests) => this.#putBack(requests),
      settle: (requests) => this.#intake.settle(requests),
      onTooLarge: (finding) => this.#limitBatches(finding),
    });
  }

  /** Opens the storage, where there is one, and begins to send. Rejects where the storage cannot be used. */
  async start(): Promise<void> {
    const { settings, config, random } = this.#options;
    const { storage } = config.sending_queue;
    if (storage !== undefined) this.#openStorage(storage);
    this.#state = "open";
    this.#intake.open();
    this.#pace.startLater(config.sending_queue.start_spread * random());
    const { requests, bytes } = this.#queue.size;
    if (requests > 0) {
      settings.logger.info({ requests, bytes }, "Going on with what is in the queue.");
      this.#batcher.flush();
    }
    this.#pump();
  }

  noRoom(source: string): NoRoom | undefined {
    return this.#intake.noRoom(source);
  }

  /** Whether the request is in the queue now; otherwise it is lost, and counted. */
  take(request: Outgoing): boolean {
    if (!this.#intake.take(request)) return false;
    this.#report.took();
    this.#batcher.came(request.bytes.length);
    this.#pump();
    return true;
  }

  /** Counts points that no request has, since they are no counts though their kind says so. */
  leaveOut(families: readonly Family[], { key }: Resource): void {
    const error = `"${families[0]?.name}" of "${key}" has a number that is no count`;
    this.#report.leftOut(families.length, error);
  }

  /**
   * Ends the intake. What is in memory gets one more attempt, until the deadline aborts, and is lost if that fails; what
   * is on disk stays there.
   */
  async shutdown(deadline: AbortSignal): Promise<void> {
    if (this.#state === "ending" || this.#state === "closed") return;
    const hasStarted = this.#state === "open";
    this.#state = "ending";
    this.#intake.close();
    this.#sender.end();
    this.#pace.end();
    this.#batcher.end();
    if (hasStarted && !this.#isKept) this.#pump();
    if (this.#inFlight > 0 && !deadline.aborted) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
        deadline.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    this.#state = "closed";
    this.#sender.close();
    this.#pace.close();
    this.#leave();
    await this.#queue.close();
    this.#report.close();
  }

  /** Takes the storage's queue in place of the one in memory, with what has come before the start. */
  #openStorage(storage: string): void {
    const { settings, type } = this.#options;
    const offered = settings.host.single(QUEUE_STORAGES).get(storage);
    if (offered === undefined)
      throw new Error(`sending_queue::storage: "${storage}" is not in service::extensions`);
    const queue = offered.openQueue(settings.id.replace(/^[^/]*/, type), (lost, where) => {
      const error = `a record of ${where} cannot be read`;
      this.#report.lost(lost.items, { reason: "corrupt", errorType: "corrupt", error });
    });
    for (const { bytes, points } of this.#queue.take({})) {
      const error = queue.add({ bytes, points }, settings.clock.nowMs());
      if (error !== undefined) this.#report.rejected(points, error);
    }
    this.#queue = queue;
    this.#isKept = true;
  }

  /** Sends what is due, as far as there is room for it at the peer. */
  #pump(): void {
    if (this.#state === "new" || this.#state === "closed") return;
    if (this.#state === "ending" && this.#isKept) return;
    const { num_consumers } = this.#options.config.sending_queue;
    this.#intake.expire();
    while (this.#inFlight < this.#pace.room(num_consumers)) {
      const requests = this.#batcher.next();
      if (requests.length === 0) return;
      this.#inFlight++;
      void this.#sender.bring(requests).then(() => this.#finish());
    }
  }

  #finish(): void {
    this.#inFlight--;
    this.#pump();
    if (this.#inFlight === 0) this.#whenIdle?.();
  }

  #putBack(requests: readonly Queued[]): void {
    this.#queue.putBack(requests);
    this.#batcher.cameBack(requests);
  }

  #limitBatches(finding: SizeFinding): void {
    if (!this.#batcher.limitTo(finding)) return;
    this.#options.settings.logger.warn(
      { bytes: finding.passedBytes, option: "sending_queue::batch::max_size" },
      "The receiver takes smaller requests only; batches are no larger from now on. The option spares the attempts.",
    );
  }

  /** Accounts for what is still there when the delivery ends. */
  #leave(): void {
    const { requests, items } = this.#queue.size;
    if (requests === 0) return;
    if (this.#isKept) {
      this.#options.settings.logger.info({ requests, items }, "What was not delivered stays on disk.");
      return;
    }
    const error = "the agent stopped before the request was delivered";
    this.#report.lost(items, { reason: "shutdown", errorType: "shutdown", error }, requests);
  }
}
