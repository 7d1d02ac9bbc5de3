// SPDX-License-Identifier: Apache-2.0
import type { Attributes, Meter } from "@opentelemetry/api";
import type { Settings } from "../component/component.ts";
import type { ComponentState } from "../component/status.ts";
import type { Failure } from "../peer/answer.ts";
import { observed } from "../reporting/observed.ts";
import { RepeatedLog, type Repetition } from "../reporting/repeated_log.ts";
import { OutageLog, type QueueState } from "./outage_log.ts";

/** Why points were dropped after they had been in the queue. */
export type DropReason =
  | "permanent"
  | "retries_exhausted"
  | "partial_success"
  | "shutdown"
  | "overflow"
  | "max_age"
  | "corrupt";

/** Why points were dropped: for the metrics and for the log. */
export interface Drop {
  readonly reason: DropReason;
  /** The kind of failure, such as "UNAVAILABLE". It labels a metric, so it must have few different values. */
  readonly errorType: string;
  readonly error: string;
}

const LOG_INTERVAL_MS = 10_000;
/** The reason of lost points that no request contains, since their numbers are no counts, such as a negative sum. */
const NOT_A_COUNT = "not_a_count";

/**
 * Reports what becomes of an exporter's points: in the Collector's metrics, in the log and in the exporter's status.
 * Each lost point is reported once, by `dropped`, `leftOut` or `rejected`.
 */
export interface DeliveryReport {
  /** The peer accepted the points. */
  sent(points: number): void;
  /** The queue accepted this number of points that only say that their series have ended. */
  ended(points: number): void;
  /** Points were dropped after they had been in the queue. They belonged to `requests` requests, by default to one. */
  dropped(points: number, drop: Drop, requests?: number): void;
  /** Points were not put into a request, since their numbers are no counts, such as a negative sum. */
  leftOut(points: number, error: string): void;
  /** The queue rejected the points: it had no room, could not be written to, or was closed. */
  rejected(points: number, error: string): void;
  /** The peer accepted a request, and its answer has a message, which is logged. */
  warned(message: string): void;
  /** The queue accepted a request. */
  enqueued(): void;
  /** The peer accepted a request, or at least some of its points. */
  succeeded(): void;
  /** The peer accepts no requests now. `retryMs` is the time until the next attempt; undefined if retries are off. */
  failed(failure: Failure, retryMs?: number): void;
  /** The peer answered, but accepted nothing of a request. */
  refused(error: string): void;
  close(): void;
}

/** Makes the report of one exporter. `readQueue` is called whenever a metric or a line of the log needs it. */
export function reportDeliveries(settings: Settings, readQueue: () => QueueState): DeliveryReport {
  const { meter, id } = settings;
  const exporter = { exporter: id };
  const counters = pointCounters(meter);
  const outage = new OutageLog({ ...settings, readQueue });
  const stopObserving = observe(settings, readQueue, outage);
  const logs = deliveryLogs(settings);
  const status = exporterStatus(settings);

  return {
    sent: (points) => counters.sent.add(points, exporter),
    ended: (points) => counters.ended.add(points, exporter),
    dropped(points, { reason, errorType, error }, requests) {
      counters.failed.add(points, { ...exporter, reason, "error.type": errorType });
      outage.dropped(points, reason);
      const log = reason === "partial_success" ? logs.partial : logs.drop;
      log.report(points, { error, reason }, requests);
    },
    leftOut(points, error) {
      counters.failed.add(points, { ...exporter, reason: NOT_A_COUNT, "error.type": NOT_A_COUNT });
      logs.leftOut.report(points, { error, reason: NOT_A_COUNT });
    },
    rejected(points, error) {
      counters.rejected.add(points, exporter);
      outage.dropped(points, "rejected");
      logs.rejection.report(points, { error });
      status.rejected(error);
    },
    warned: (message) => logs.warning.report(0, { message }),
    enqueued: () => status.enqueued(),
    succeeded() {
      outage.succeeded();
      status.peerIs("ok");
    },
    failed({ kind, error }, retryMs) {
      const isHeld = kind === "hold";
      outage.failed({ error, isHeld, retryMs });
      status.peerIs(isHeld ? "permanent_error" : "recoverable_error", error);
    },
    refused: (error) => status.peerIs("recoverable_error", error),
    close() {
      stopObserving();
      outage.close();
      for (const log of Object.values(logs)) log.close();
    },
  };
}

/**
 * Reports the exporter's status. It is the peer's state, as soon as the peer has answered. While the queue rejects
 * data, the status is a recoverable error, unless the peer has failed: the peer's error says more.
 */
function exporterStatus({ host, id }: Settings) {
  let peer: { readonly state: ComponentState; readonly error: string } = { state: "starting", error: "" };
  let isRejecting = false;
  const report = ({ state, error }: typeof peer): void => host.statuses.report("exporter", id, state, error);
  return {
    peerIs(state: ComponentState, error = ""): void {
      peer = { state, error };
      if (!isRejecting || state !== "ok") report(peer);
    },
    rejected(error: string): void {
      isRejecting = true;
      if (peer.state === "ok" || peer.state === "starting") report({ state: "recoverable_error", error });
    },
    enqueued(): void {
      if (!isRejecting && peer.state !== "starting") return;
      isRejecting = false;
      report(peer);
    },
  };
}

/** Makes the logs. Each writes its first line at once, then fewer and fewer lines, with sums since the line before. */
function deliveryLogs({ logger, clock }: Settings) {
  const repeated = (write: (fields: object, repetition: Repetition) => void): RepeatedLog =>
    new RepeatedLog({ clock, intervalMs: LOG_INTERVAL_MS, write });
  return {
    drop: repeated((fields, { points, requests }) => {
      logger.error({ ...fields, dropped_items: points, requests }, "Exporting failed. Dropping data.");
    }),
    partial: repeated((fields, { points, requests }) => {
      const message = "Partial success: the receiver rejected data.";
      logger.error({ ...fields, dropped_items: points, requests }, message);
    }),
    leftOut: repeated((fields, { points }) => {
      const message = "Points are left out: their kind says that they count, and their numbers do not.";
      logger.warn({ ...fields, dropped_items: points }, message);
    }),
    rejection: repeated((fields, { points, requests }) => {
      logger.error({ ...fields, rejected_items: points, requests }, "Exporting failed. Rejecting data.");
    }),
    warning: repeated((fields, { requests }) => {
      logger.warn({ ...fields, requests }, "The receiver took the data with a warning.");
    }),
  };
}

function pointCounters(meter: Meter) {
  const counter = (name: string, description: string) =>
    meter.createCounter(name, { unit: "{datapoint}", description });
  const sent = counter(
    "otelcol_exporter_sent_metric_points",
    "Number of metric points successfully sent to destination.",
  );
  const failed = counter(
    "otelcol_exporter_send_failed_metric_points",
    "Number of metric points in failed attempts to send to destination.",
  );
  const rejected = counter(
    "otelcol_exporter_enqueue_failed_metric_points",
    "Number of metric points failed to be added to the sending queue.",
  );
  const ended = counter(
    "kata_collector_exporter_ended_points",
    "Number of points that only say that a series has ended; they count neither as sent nor as failed.",
  );
  return { sent, failed, rejected, ended };
}

function observe({ meter, id }: Settings, read: () => QueueState, outage: OutageLog): () => void {
  const attributes: Attributes = { exporter: id, data_type: "metrics" };
  const stops = [
    observed(
      meter.createObservableGauge("otelcol_exporter_queue_size", {
        unit: "1",
        description: "Current size of the sending queue, with what is on its way, in the unit of its sizer.",
      }),
      () => [[read().size, attributes]],
    ),
    observed(
      meter.createObservableGauge("otelcol_exporter_queue_capacity", {
        unit: "1",
        description: "Fixed capacity of the sending queue, in the unit of its sizer.",
      }),
      () => [[read().capacity, attributes]],
    ),
    observed(
      meter.createObservableUpDownCounter("otelcol_exporter_in_flight_requests", {
        unit: "{request}",
        description: "Number of requests being sent.",
      }),
      () => [[read().inFlight, attributes]],
    ),
    observed(
      meter.createObservableGauge("kata_collector_exporter_outage_seconds", {
        unit: "s",
        description: "How long the destination has taken no data; 0 while it does.",
      }),
      () => [[outage.lastsMs / 1_000, { exporter: id }]],
    ),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
