// SPDX-License-Identifier: Apache-2.0
import type { TestContext } from "node:test";
import type { Meter } from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";

/** A meter of the OpenTelemetry SDK whose instruments can be read by their names. It is shut down after the test. */
export interface ReadableMeter {
  readonly meter: Meter;
  /** Returns the value of each of the instrument's points. */
  read(name: string): Promise<readonly unknown[]>;
}

export function readableMeter(context: TestContext): ReadableMeter {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  context.after(() => provider.shutdown());
  return {
    meter: provider.getMeter("test"),
    async read(name) {
      exporter.reset();
      await reader.forceFlush();
      const metrics = exporter.getMetrics().at(-1)?.scopeMetrics[0]?.metrics ?? [];
      return (
        metrics.find(({ descriptor }) => descriptor.name === name)?.dataPoints.map(({ value }) => value) ?? []
      );
    },
  };
}
