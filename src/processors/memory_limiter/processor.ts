// SPDX-License-Identifier: Apache-2.0
import type { Attributes, Counter } from "@opentelemetry/api";
import type { Processor, Settings } from "../../component/component.ts";
import type { Consumer, NoRoom } from "../../component/consumer.ts";
import type { Statuses } from "../../component/status.ts";
import { type Ended, pointCount, type Reading } from "../../metrics/model.ts";
import type { MemoryMonitor } from "./monitor.ts";

/**
 * Has no room while memory is short, so that nothing is scraped. Readings of scrapes that have begun are passed on, and
 * so are ends of sandboxes.
 */
export class MemoryLimiterProcessor implements Processor {
  readonly #monitor: MemoryMonitor;
  readonly #next: Consumer;
  readonly #accepted: Counter;
  readonly #attributes: Attributes;
  readonly #statuses: Statuses;
  #stop: (() => void) | undefined;

  constructor(monitor: MemoryMonitor, { id, meter, host }: Settings, next: Consumer) {
    this.#monitor = monitor;
    this.#statuses = host.statuses;
    this.#next = next;
    this.#attributes = { processor: id };
    this.#accepted = meter.createCounter("otelcol_processor_memory_limiter_accepted_metric_points", {
      unit: "{datapoint}",
      description: "Number of metric points passed on to the next component.",
    });
  }

  start(): Promise<void> {
    this.#stop ??= this.#monitor.start(this.#statuses);
    return Promise.resolve();
  }

  shutdown(): Promise<void> {
    this.#stop?.();
    this.#stop = undefined;
    return Promise.resolve();
  }

  noRoom(resourceKey: string): NoRoom | undefined {
    return this.#monitor.isShort ? "memory" : this.#next.noRoom(resourceKey);
  }

  consume(reading: Reading): void {
    this.#accepted.add(pointCount(reading.schema), this.#attributes);
    this.#next.consume(reading);
  }

  end(ended: Ended): void {
    this.#next.end(ended);
  }
}
