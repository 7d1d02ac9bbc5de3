import type { IncomingMessage, ServerResponse } from "node:http";
import type { Counter } from "@opentelemetry/api";
import type { Exporter, Settings, Verdict } from "../../component/component.ts";
import type { ListenAddress } from "../../config/values.ts";
import { type Ended, pointCount, type Reading } from "../../metrics/model.ts";
import type { TextFormat } from "../../prometheus/text.ts";
import { acceptsGzip, CONTENT_TYPE, chooseFormat } from "./negotiate.ts";
import { type Conflict, Page, type PageConfig, type Snapshot } from "./page.ts";
import { describeAddress, MetricsServer, type Route, type ServerLimits } from "./server.ts";
import { GzipJob, streamPlain } from "./stream.ts";

export interface PrometheusConfig {
  readonly address: ListenAddress;
  readonly path: string;
  readonly openMetrics: boolean;
  readonly page: PageConfig;
  readonly limits: ServerLimits;
}

/** Conflicts are logged at most this often, since every pull finds them again. */
const CONFLICT_LOG_INTERVAL_MS = 60_000;

/** Keeps the latest reading of every sandbox and serves them as one page. */
export class PrometheusExporter implements Exporter {
  readonly #config: PrometheusConfig;
  readonly #settings: Settings;
  readonly #page: Page;
  readonly #server: MetricsServer;
  readonly #sent: Counter;
  readonly #conflicts: Counter;
  /** Of the latest state that was asked for compressed, by format. */
  readonly #jobs = new Map<TextFormat, { readonly version: number; readonly job: GzipJob }>();
  #conflictsLoggedMs = Number.NEGATIVE_INFINITY;

  constructor(config: PrometheusConfig, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    this.#page = new Page(config.page);
    const routes = new Map<string, Route>([
      ["/", (_request, response) => this.#index(response)],
      [config.path, (request, response, signal) => this.#serve(request, response, signal)],
    ]);
    this.#server = new MetricsServer({
      address: config.address,
      routes,
      limits: config.limits,
      onError: (error) => settings.logger.warn({ error: error.message }, "Pull failed."),
    });
    this.#sent = settings.meter.createCounter("otelcol_exporter_sent_metric_points", {
      unit: "{datapoint}",
      description: "Number of metric points successfully sent to destination.",
    });
    this.#conflicts = settings.meter.createCounter("kata_collector_prometheus_conflicts", {
      unit: "{family}",
      description:
        "Families of a reading that were left out of a page because another family has their name.",
    });
  }

  async start(): Promise<void> {
    await this.#server.listen();
    const endpoint = describeAddress(this.#config.address);
    this.#settings.logger.info({ endpoint, path: this.#config.path }, "Serving the Prometheus page.");
  }

  shutdown(deadline: AbortSignal): Promise<void> {
    return this.#server.close(deadline);
  }

  consume(reading: Reading): Verdict {
    this.#page.put(reading);
    this.#sent.add(pointCount(reading.schema), { exporter: this.#settings.id });
    return "accepted";
  }

  end(ended: Ended): void {
    this.#page.end(ended);
  }

  #index(response: ServerResponse): Promise<void> {
    const path = this.#config.path;
    response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
    response.end(
      `<!doctype html><title>kata-collector</title><h1>kata-collector</h1><p><a href="${path}">${path}</a>: the metrics of ${this.#page.resourceCount} sandboxes</p>\n`,
    );
    return Promise.resolve();
  }

  async #serve(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const format = chooseFormat(request.headers.accept, this.#config.openMetrics);
    const gzip = acceptsGzip(request.headers["accept-encoding"]);
    response.setHeader("Content-Type", CONTENT_TYPE[format]);
    response.setHeader("Vary", "Accept, Accept-Encoding");
    if (gzip) response.setHeader("Content-Encoding", "gzip");
    if (request.method !== "HEAD") {
      if (gzip) await this.#gzipJob(format).streamTo(response, signal);
      else await streamPlain(this.#snapshot(format), format, { out: response, signal });
    }
    response.end();
  }

  #gzipJob(format: TextFormat): GzipJob {
    this.#page.expire(this.#settings.clock.nowMs());
    const { version } = this.#page;
    const known = this.#jobs.get(format);
    if (known !== undefined && known.version === version) return known.job;
    const job = new GzipJob(this.#snapshot(format), format);
    const entry = { version, job };
    this.#jobs.set(format, entry);
    // A page that nobody can be given again is not kept beyond the pulls that are under way.
    job.finished.then(() => {
      if (this.#jobs.get(format) === entry && this.#page.version !== version) this.#jobs.delete(format);
    });
    return job;
  }

  #snapshot(format: TextFormat): Snapshot {
    this.#page.expire(this.#settings.clock.nowMs());
    const snapshot = this.#page.snapshot(format);
    if (snapshot.conflicts.length > 0) this.#report(snapshot.conflicts);
    return snapshot;
  }

  #report(conflicts: readonly Conflict[]): void {
    for (const { reason } of conflicts) this.#conflicts.add(1, { exporter: this.#settings.id, reason });
    const nowMs = this.#settings.clock.monotonicMs();
    if (nowMs - this.#conflictsLoggedMs < CONFLICT_LOG_INTERVAL_MS) return;
    this.#conflictsLoggedMs = nowMs;
    const [first] = conflicts;
    this.#settings.logger.warn({ count: conflicts.length, first }, "Families are left out of the page.");
  }
}
