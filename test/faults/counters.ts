// SPDX-License-Identifier: Apache-2.0
/** The agent's own counters. The unit is data points unless another one is named. */
export interface Counters {
  /** The points of the readings that receivers handed on, without the points that end series. */
  readonly accepted: number;
  /** The number of scrapes that were due and skipped, by reason. */
  readonly skipped: ReadonlyMap<string, number>;
  /** The points that were lost while a reload exchanged a component, by component: "exporter:otlp_grpc". */
  readonly exchangeLost: ReadonlyMap<string, number>;
  /** The counters of each exporter, by its id. */
  readonly exporters: ReadonlyMap<string, ExporterCounters>;
}

export interface ExporterCounters {
  readonly sent: number;
  /** The points that were lost because the queue was full. */
  readonly enqueueFailed: number;
  /** The points that were lost after they had been in the queue, by reason. */
  readonly failed: ReadonlyMap<string, number>;
  /** The size of the queue in the unit of its sizer, with the requests that are being sent. */
  readonly queueSize: number;
  readonly inFlight: number;
}

interface Line {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

/** Pulls the agent's own metrics and reads the counters. */
export async function readCounters(address: string): Promise<Counters> {
  const response = await fetch(`http://${address}/metrics`, { signal: AbortSignal.timeout(5_000) });
  return parseCounters(await response.text());
}

export function parseCounters(page: string): Counters {
  const lines = page.split("\n").flatMap(parseLine);
  const sum = (name: string, exporter?: string): number =>
    lines
      .filter((line) => line.name === name)
      .filter(({ labels }) => exporter === undefined || labels.get("exporter") === exporter)
      .reduce((total, { value }) => total + value, 0);
  const names = new Set(lines.map(({ labels }) => labels.get("exporter")).filter((id) => id !== undefined));
  const exporters = new Map(
    Array.from(names, (id): [string, ExporterCounters] => [
      id,
      {
        sent: sum("otelcol_exporter_sent_metric_points_total", id),
        enqueueFailed: sum("otelcol_exporter_enqueue_failed_metric_points_total", id),
        queueSize: sum("otelcol_exporter_queue_size", id),
        inFlight: sum("otelcol_exporter_in_flight_requests", id),
        failed: sumsBy(
          "reason",
          lines.filter(
            ({ name, labels }) =>
              name === "otelcol_exporter_send_failed_metric_points_total" && labels.get("exporter") === id,
          ),
        ),
      },
    ]),
  );
  const named = (wanted: string): Line[] => lines.filter(({ name }) => name === wanted);
  return {
    accepted: sum("otelcol_receiver_accepted_metric_points_total"),
    skipped: sumsBy("reason", named("kata_collector_scrapes_skipped_total")),
    exchangeLost: sumsBy("otelcol_component", named("kata_collector_exchange_lost_metric_points_total")),
    exporters,
  };
}

function sumsBy(label: string, lines: readonly Line[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { labels, value } of lines) {
    const of = labels.get(label) ?? "";
    sums.set(of, (sums.get(of) ?? 0) + value);
  }
  return sums;
}

function parseLine(text: string): Line[] {
  const [, name = "", inner = "", value = ""] = /^(\w+)(?:\{(.*)\})? (\S+)/.exec(text) ?? [];
  if (name === "") return [];
  const labels = new Map(
    Array.from(inner.matchAll(/(\w+)="([^"]*)"/g), ([, key = "", of = ""]) => [key, of] as const),
  );
  return [{ name, labels, value: Number(value) }];
}
