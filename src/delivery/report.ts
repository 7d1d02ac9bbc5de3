// SPDX-License-Identifier: Apache-2.0
import type { Attributes, Meter } from "@opentelemetry/api";
import type { Settings } from "../component/component.ts";
import type { ComponentState } from "../component/status.ts";
import type { Failure } from "../peer/answer.ts";
import { observed } from "../reporting/observed.ts";
import { RepeatedLog, type Repetition } from "../reporting/repeated_log.ts";
import { OutageLog, type QueueState } from "./outage.ts";

/** Why points were lost after they had been accepted. */
export type LossReason =
  | "permanent"
  | "retries_exhausted"
  | "partial_success"
  | "shutdown"
  | "overflow"
  | "max_age"
  | "corrupt";

export interface Loss {
  readonly reason: LossReason;
  /** What kind of failure, in the protocol's words; few values, since it is an attribute. */
  readonly errorType: string;
  readonly error: string;
}

const LOG_INTERVAL_MS = 10_000;
/** The reason of points that no request has. */
const NOT_A_COUNT = "not_a_count";

/** The Collector's metrics, log lines and statuses of an exporter's deliveries. Nothing is lost without all of them. */
export interface DeliveryReport {
  sent(points: number): void;
  /** So many points that only end series were taken into the queue. */
  ended(points: number): void;
  /** Of one request, where nothing else is said. */
  lost(points: number, loss: Loss, requests?: number): void;
  /** No request has them, since they are no counts though their kind says so: they are lost whatever the peer does. */
  leftOut(points: number, error: string): void;
  /** The queue took no more: they are lost. */
  rejected(points: number, error: string): void;
  /** The receiver took everything, but has something to say. */
  warned(message: string): void;
  /** The queue took a request. */
  took(): void;
  /** The receiver takes requests. */
  well(): void;
  /** The receiver can take no request now; `retryMs` is how long until the next attempt, where there is one. */
  failed(failure: Failure, retryMs?: number): void;
  /** The receiver is there, and takes nothing of a request. */
  refused(error: string): void;
  close(): void;
}

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
    lost(points, { reason, errorType, error }, requests) {
      counters.failed.add(points, { ...exporter, reason, "error.type": errorType });
      outage.lost(points, reason);
      const log = reason === "partial_success" ? logs.partial : logs.loss;
      log.report(points, { error, reason }, requests);
    },
    leftOut(points, error) {
      counters.failed.add(points, { ...exporter, reason: NOT_A_COUNT, "error.type": NOT_A_COUNT });
      logs.leftOut.report(points, { error, reason: NOT_A_COUNT });
    },
    rejected(points, error) {
      counters.rejected.add(points, exporter);
      outage.lost(points, "rejected");
      logs.rejection.report(points, { error });
      status.rejects(error);
    },
    warned: (message) => logs.warning.report(0, { message }),
    took: () => status.takes(),
    well() {
      outage.well();
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

/** An exporter is as well as its peer, until it is known not at all, and not well while its queue turns data away. */
function exporterStatus({ host, id }: Settings) {
  let peer: { readonly state: ComponentState; readonly error: string } = { state: "starting", error: "" };
  let rejects = false;
  const report = ({ state, error }: typeof peer): void => host.statuses.report("exporter", id, state, error);
  return {
    peerIs(state: ComponentState, error = ""): void {
      peer = { state, error };
      if (!rejects || state !== "ok") report(peer);
    },
    rejects(error: string): void {
      rejects = true;
      // What is wrong with the peer says more.
      if (peer.state === "ok" || peer.state === "starting") report({ state: "recoverable_error", error });
    },
    takes(): void {
      if (!rejects && peer.state !== "starting") return;
      rejects = false;
      report(peer);
    },
  };
}

/** Each is one line at once, and then ever fewer lines with the sums of what they stand for. */
function deliveryLogs({ logger, clock }: Settings) {
  const repeated = (write: (fields: object, repetition: Repetition) => void): RepeatedLog =>
    new RepeatedLog({ clock, intervalMs: LOG_INTERVAL_MS, write });
  return {
    loss: repeated((fields, { points, requests }) => {
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
