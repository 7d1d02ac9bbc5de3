import type { Attributes, Meter } from "@opentelemetry/api";
import type { Settings } from "../component/component.ts";
import { formatDuration } from "../config/values.ts";
import { observed } from "../telemetry/observed.ts";
import { RepeatedLog, type Repetition } from "./repeated_log.ts";

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

/** What the gauges show: sizes in the sizer's unit. */
export interface QueueState {
  readonly size: number;
  readonly capacity: number;
  readonly inFlight: number;
}

const LOG_INTERVAL_MS = 10_000;

/** The Collector's metrics and log lines of an exporter's deliveries. Nothing is lost without both. */
export interface DeliveryReport {
  sent(points: number): void;
  /** Of one request, where nothing else is said. */
  lost(points: number, loss: Loss, requests?: number): void;
  /** The queue took no more; whoever offered keeps it. */
  refused(points: number, error: string): void;
  /** The queue took no more, and nobody will offer it again. */
  missed(points: number, error: string): void;
  retrying(points: number, retry: { readonly error: string; readonly intervalMs: number }): void;
  /** The receiver took everything, but has something to say. */
  warned(message: string): void;
  close(): void;
}

export function reportDeliveries(settings: Settings, readQueue: () => QueueState): DeliveryReport {
  const { meter, id, logger, clock } = settings;
  const exporter = { exporter: id };
  const { sent, failed, missed } = pointCounters(meter);
  const stopObserving = observeQueue(settings, readQueue);

  const logs: RepeatedLog[] = [];
  const repeated = (write: (fields: object, repetition: Repetition) => void): RepeatedLog => {
    const log = new RepeatedLog({ clock, intervalMs: LOG_INTERVAL_MS, write });
    logs.push(log);
    return log;
  };
  const lossLog = repeated((fields, { points, requests }) => {
    logger.error({ ...fields, dropped_items: points, requests }, "Exporting failed. Dropping data.");
  });
  const partialLog = repeated((fields, { points, requests }) => {
    logger.error(
      { ...fields, dropped_items: points, requests },
      "Partial success: the receiver rejected data.",
    );
  });
  const waitingLog = repeated((fields) => {
    logger.warn(
      fields,
      "The exporter takes no more for now; where no other one does, receivers wait with what they have.",
    );
  });
  const missedLog = repeated((fields, { points, requests }) => {
    logger.error({ ...fields, rejected_items: points, requests }, "Exporting failed. Rejecting data.");
  });
  const retryLog = repeated((fields, { requests }) => {
    logger.info({ ...fields, requests }, "Exporting failed. Will retry the request after interval.");
  });
  const warningLog = repeated((fields, { requests }) => {
    logger.warn({ ...fields, requests }, "The receiver took the data with a warning.");
  });

  return {
    sent: (points) => sent.add(points, exporter),
    lost(points, { reason, errorType, error }, requests) {
      failed.add(points, { ...exporter, reason, "error.type": errorType });
      const log = reason === "partial_success" ? partialLog : lossLog;
      log.report(points, { error, reason }, requests);
    },
    refused(points, error) {
      waitingLog.report(points, { error });
    },
    missed(points, error) {
      missed.add(points, exporter);
      missedLog.report(points, { error });
    },
    retrying(points, { error, intervalMs }) {
      retryLog.report(points, { error, interval: formatDuration(intervalMs) });
    },
    warned: (message) => warningLog.report(0, { message }),
    close() {
      stopObserving();
      // Nobody waits or tries again any more.
      for (const log of logs) log.close({ write: log !== retryLog && log !== waitingLog });
    },
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
  const missed = counter(
    "otelcol_exporter_enqueue_failed_metric_points",
    "Number of metric points failed to be added to the sending queue.",
  );
  return { sent, failed, missed };
}

function observeQueue({ meter, id }: Settings, read: () => QueueState): () => void {
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
        description: "Number of requests being sent or waiting to be sent again.",
      }),
      () => [[read().inFlight, attributes]],
    ),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
