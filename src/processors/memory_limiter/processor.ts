import type { Attributes, Counter } from "@opentelemetry/api";
import type { Consumer, Processor, Settings, Verdict } from "../../component/component.ts";
import { type Ended, pointCount, type Reading } from "../../metrics/model.ts";
import type { MemoryMonitor } from "./monitor.ts";

/** Refuses readings while memory is short: whoever offers them keeps them, and slows down. Ends always pass. */
export class MemoryLimiterProcessor implements Processor {
  readonly #monitor: MemoryMonitor;
  readonly #next: Consumer;
  readonly #accepted: Counter;
  readonly #refused: Counter;
  readonly #attributes: Attributes;
  #isRunning = false;

  constructor(monitor: MemoryMonitor, { id, meter }: Settings, next: Consumer) {
    this.#monitor = monitor;
    this.#next = next;
    this.#attributes = { processor: id };
    const counter = (name: string, description: string): Counter =>
      meter.createCounter(name, { unit: "{datapoint}", description });
    this.#accepted = counter(
      "otelcol_processor_memory_limiter_accepted_metric_points",
      "Number of metric points passed on to the next component.",
    );
    this.#refused = counter(
      "otelcol_processor_memory_limiter_refused_metric_points",
      "Number of metric points refused since memory was short.",
    );
  }

  start(): Promise<void> {
    if (!this.#isRunning) this.#monitor.start();
    this.#isRunning = true;
    return Promise.resolve();
  }

  shutdown(): Promise<void> {
    if (this.#isRunning) this.#monitor.stop();
    this.#isRunning = false;
    return Promise.resolve();
  }

  consume(reading: Reading): Verdict {
    const points = pointCount(reading.schema);
    if (this.#monitor.mustRefuse) {
      this.#refused.add(points, this.#attributes);
      return "refused";
    }
    this.#accepted.add(points, this.#attributes);
    return this.#next.consume(reading);
  }

  /** What was refused here, nobody behind has refused. */
  miss(reading: Reading): void {
    if (!this.#monitor.mustRefuse) this.#next.miss?.(reading);
  }

  end(ended: Ended): void {
    this.#next.end(ended);
  }
}
