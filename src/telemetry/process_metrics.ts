// SPDX-License-Identifier: Apache-2.0
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Meter } from "@opentelemetry/api";
import type { Clock } from "../clock/clock.ts";
import type { UsageSource } from "../process/usage_source.ts";
import { LINE_LOSS_REASONS } from "../reporting/line_output.ts";
import type { LogOutput } from "../reporting/process_log.ts";

/** How often the event loop is checked. Each check wakes the process up, and 50 ms suffice to see the delays that matter. */
const DELAY_RESOLUTION_MS = 50;

/**
 * Makes the metrics that the Collector has of its process, and one of the event loop's longest delay. Returns a
 * function that stops the measurement of that delay.
 */
export function observeProcess(meter: Meter, usage: UsageSource, clock: Clock): () => void {
  const startedMs = clock.monotonicMs();
  const counter = (name: string, unit: string, description: string, read: () => number): void => {
    meter
      .createObservableCounter(name, { unit, description })
      .addCallback((result) => result.observe(read()));
  };
  const gauge = (name: string, unit: string, description: string, read: () => number): void => {
    meter.createObservableGauge(name, { unit, description }).addCallback((result) => result.observe(read()));
  };

  counter(
    "otelcol_process_uptime",
    "s",
    "Uptime of the process.",
    () => (clock.monotonicMs() - startedMs) / 1_000,
  );
  counter("otelcol_process_cpu_seconds", "s", "Total CPU user and system time in seconds.", () => {
    const { user, system } = usage.cpuUsage();
    return (user + system) / 1e6;
  });
  gauge(
    "otelcol_process_memory_rss",
    "By",
    "Total physical memory (resident set size).",
    () => usage.memoryUsage().rss,
  );
  gauge(
    "otelcol_process_runtime_heap_alloc_bytes",
    "By",
    "Bytes of allocated heap objects.",
    () => usage.memoryUsage().heapUsed,
  );
  gauge("otelcol_process_runtime_total_sys_memory_bytes", "By", "Memory the runtime got from the OS.", () => {
    const { heapTotal, external } = usage.memoryUsage();
    return heapTotal + external;
  });

  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  gauge(
    "kata_collector_event_loop_delay_max_seconds",
    "s",
    "Longest time for which the event loop stood still since this was last read.",
    () => takeLongestDelayMs(delay) / 1_000,
  );
  return () => delay.disable();
}

/** Makes the metric of log lines that could not be written, by reason. */
export function observeLog(meter: Meter, log: LogOutput): void {
  meter
    .createObservableCounter("kata_collector_log_lines_lost", {
      unit: "{line}",
      description: "Log lines that could not be written, by reason.",
    })
    .addCallback((result) => {
      for (const reason of LINE_LOSS_REASONS) result.observe(log.lost().get(reason) ?? 0, { reason });
    });
}

/**
 * Returns the longest delay since the last call. The histogram has the times between two checks, so the time that a
 * check is meant to take, `DELAY_RESOLUTION_MS`, is subtracted.
 */
function takeLongestDelayMs(delay: ReturnType<typeof monitorEventLoopDelay>): number {
  const longestMs = delay.count === 0 ? 0 : Math.max(0, delay.max / 1e6 - DELAY_RESOLUTION_MS);
  delay.reset();
  return longestMs;
}
