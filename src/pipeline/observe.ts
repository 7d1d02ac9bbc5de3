// SPDX-License-Identifier: Apache-2.0
import type { Attributes, Counter, Meter } from "@opentelemetry/api";
import type { Consumer } from "../component/consumer.ts";
import { pointCount, type Reading } from "../metrics/model.ts";
import { forward } from "./forward.ts";

/** Counters of the points that pass between components. */
export interface PipelineCounters {
  /** Points that processors get, under the Collector's name. */
  readonly incoming: Counter;
  /** Points that processors hand on, under the Collector's name. */
  readonly outgoing: Counter;
  /** Points that are lost because a reload is exchanging the component that would take them. */
  readonly exchanged: Counter;
}

/** Makes the counters. */
export function pipelineCounters(meter: Meter): PipelineCounters {
  return {
    incoming: meter.createCounter("otelcol_processor_incoming_items", {
      unit: "{item}",
      description: "Number of items passed to the processor.",
    }),
    outgoing: meter.createCounter("otelcol_processor_outgoing_items", {
      unit: "{item}",
      description: "Number of items emitted from the processor.",
    }),
    exchanged: meter.createCounter("kata_collector_exchange_lost_metric_points", {
      unit: "{datapoint}",
      description:
        "Number of metric points lost since they were under way while a reload exchanged the component.",
    }),
  };
}

/** Counts the points of every reading that passes to `consumer`. */
export function counted(consumer: Consumer, counter: Counter, attributes: Attributes): Consumer {
  return forward(consumer, {
    consume(reading: Reading): void {
      counter.add(pointCount(reading.schema), attributes);
      consumer.consume(reading);
    },
  });
}
