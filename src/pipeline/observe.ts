import type { Attributes, Counter, Meter } from "@opentelemetry/api";
import type { Consumer, Verdict } from "../component/component.ts";
import { pointCount, type Reading } from "../metrics/model.ts";

/** The Collector's counters of what goes into and comes out of processors. */
export interface ProcessorCounters {
  readonly incoming: Counter;
  readonly outgoing: Counter;
}

export function processorCounters(meter: Meter): ProcessorCounters {
  return {
    incoming: meter.createCounter("otelcol_processor_incoming_items", {
      unit: "{item}",
      description: "Number of items passed to the processor.",
    }),
    outgoing: meter.createCounter("otelcol_processor_outgoing_items", {
      unit: "{item}",
      description: "Number of items emitted from the processor.",
    }),
  };
}

/** Counts the points of every reading that passes to `consumer`. */
export function counted(consumer: Consumer, counter: Counter, attributes: Attributes): Consumer {
  return {
    isBlocked: (reading) => consumer.isBlocked?.(reading) ?? false,
    miss: (reading) => consumer.miss?.(reading),
    consume(reading: Reading): Verdict {
      counter.add(pointCount(reading.schema), attributes);
      return consumer.consume(reading);
    },
    end: (ended) => consumer.end(ended),
  };
}
