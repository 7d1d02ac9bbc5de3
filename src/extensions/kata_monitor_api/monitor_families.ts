// SPDX-License-Identifier: Apache-2.0
import type { Interner } from "../../metrics/interner.ts";
import type { Family, Kind, Point, Reading, Resource, Schema } from "../../metrics/model.ts";
import { type ProcStats, readProcStats } from "./proc_stats.ts";

/** The upper bounds of the buckets in kata-monitor's histogram of scrape durations, in milliseconds. */
const BOUNDS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** A resource without attributes: the families are about no sandbox, so their lines get no sandbox's labels. */
const RESOURCE: Resource = { key: "kata_monitor", attributes: [] };

const SCALAR: Point = { attributes: [], bounds: [], boundTexts: [] };

interface ProcessFamily {
  readonly name: string;
  readonly kind: Kind;
  readonly help: string;
  read(stats: ProcStats): number;
}

const PROCESS_FAMILIES: readonly ProcessFamily[] = [
  {
    name: "cpu_seconds_total",
    kind: "sum",
    help: "CPU time of the process, user and system, in seconds.",
    read: (stats) => stats.cpuSeconds,
  },
  {
    name: "max_fds",
    kind: "gauge",
    help: "File descriptors that the process may have open.",
    read: (stats) => stats.maxFds,
  },
  {
    name: "network_receive_bytes_total",
    kind: "sum",
    help: "Bytes received over the network, in the process's network namespace.",
    read: (stats) => stats.receivedBytes,
  },
  {
    name: "network_transmit_bytes_total",
    kind: "sum",
    help: "Bytes sent over the network, in the process's network namespace.",
    read: (stats) => stats.transmittedBytes,
  },
  {
    name: "open_fds",
    kind: "gauge",
    help: "File descriptors that the process has open.",
    read: (stats) => stats.openFds,
  },
  {
    name: "resident_memory_bytes",
    kind: "gauge",
    help: "Memory of the process that is in RAM, in bytes.",
    read: (stats) => stats.residentBytes,
  },
  {
    name: "start_time_seconds",
    kind: "gauge",
    help: "When the process started, in seconds since the epoch.",
    read: (stats) => stats.startTimeSeconds,
  },
  {
    name: "virtual_memory_bytes",
    kind: "gauge",
    help: "Address space of the process in bytes.",
    read: (stats) => stats.virtualBytes,
  },
  {
    name: "virtual_memory_max_bytes",
    kind: "gauge",
    help: "Address space that the process may have, in bytes.",
    read: (stats) => stats.virtualBytesMax,
  },
];

/** kata-monitor's families about itself, under its names and types. */
export class MonitorFamilies {
  readonly #schema: Schema;
  readonly #startMs: number;
  #requests = 0;
  #failures = 0;
  /** The count of each bucket alone, not cumulative. The last bucket is +Inf. */
  readonly #durations = new Float64Array(BOUNDS.length + 1);
  #durationSumMs = 0;

  constructor(interner: Interner, startMs: number) {
    this.#startMs = startMs;
    const family = (name: string, kind: Kind, help: string, point = SCALAR): Family =>
      interner.family({ name: `kata_monitor_${name}`, kind, unit: "", help, points: [point] });
    const histogram: Point = { attributes: [], bounds: BOUNDS, boundTexts: BOUNDS.map(String) };
    this.#schema = interner.schema([
      family("running_shim_count", "gauge", "Sandboxes whose shim runs."),
      family("scrape_count", "sum", "Requests for metrics."),
      family("scrape_failed_count", "sum", "Requests for metrics whose answer was broken off."),
      family(
        "scrape_durations_histogram_milliseconds",
        "histogram",
        "How long requests for metrics took to answer, in milliseconds.",
        histogram,
      ),
      ...PROCESS_FAMILIES.map(({ name, kind, help }) => family(`process_${name}`, kind, help)),
    ]);
  }

  /** Counts a request for metrics. */
  begin(): void {
    this.#requests++;
  }

  /** Counts how long the request took, and whether its answer was broken off. */
  end(durationMs: number, failed: boolean): void {
    if (failed) this.#failures++;
    const bucket = BOUNDS.findIndex((bound) => durationMs <= bound);
    const index = bucket < 0 ? BOUNDS.length : bucket;
    this.#durations[index] = (this.#durations[index] ?? 0) + 1;
    this.#durationSumMs += durationMs;
  }

  /** Makes a reading of the current numbers. */
  reading(runningShims: number, timeMs: number): Reading {
    const stats = readProcStats();
    let count = 0;
    const buckets = Array.from(this.#durations, (more) => (count += more));
    const values = Float64Array.from([
      runningShims,
      this.#requests,
      this.#failures,
      ...buckets,
      this.#durationSumMs,
      count,
      ...PROCESS_FAMILIES.map(({ read }) => read(stats)),
    ]);
    return { resource: RESOURCE, schema: this.#schema, values, timeMs, startMs: this.#startMs };
  }
}
