/** What an agent says of itself, in data points where nothing else is said. */
export interface Counters {
  /** Of readings that receivers handed on; the ends of series are not among them. */
  readonly accepted: number;
  readonly refused: number;
  /** By exporter. */
  readonly exporters: ReadonlyMap<string, ExporterCounters>;
}

export interface ExporterCounters {
  readonly sent: number;
  readonly enqueueFailed: number;
  /** By reason. */
  readonly failed: ReadonlyMap<string, number>;
  /** In the unit of its sizer, with what is on its way. */
  readonly queueSize: number;
  readonly inFlight: number;
}

interface Line {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

/** Reads the page of a pull reader. */
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
        failed: failedOf(lines, id),
      },
    ]),
  );
  return {
    accepted: sum("otelcol_receiver_accepted_metric_points_total"),
    refused: sum("otelcol_receiver_refused_metric_points_total"),
    exporters,
  };
}

function failedOf(lines: readonly Line[], exporter: string): Map<string, number> {
  const failed = new Map<string, number>();
  for (const { name, labels, value } of lines) {
    if (name !== "otelcol_exporter_send_failed_metric_points_total") continue;
    if (labels.get("exporter") !== exporter) continue;
    const reason = labels.get("reason") ?? "";
    failed.set(reason, (failed.get(reason) ?? 0) + value);
  }
  return failed;
}

function parseLine(text: string): Line[] {
  const [, name = "", inner = "", value = ""] = /^(\w+)(?:\{(.*)\})? (\S+)/.exec(text) ?? [];
  if (name === "") return [];
  const labels = new Map(
    Array.from(inner.matchAll(/(\w+)="([^"]*)"/g), ([, key = "", of = ""]) => [key, of] as const),
  );
  return [{ name, labels, value: Number(value) }];
}
