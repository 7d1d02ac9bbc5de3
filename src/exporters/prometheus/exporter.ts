import type { IncomingMessage, ServerResponse } from "node:http";
import type { Counter } from "@opentelemetry/api";
import type { Exporter, Settings, Verdict } from "../../component/component.ts";
import type { ListenAddress } from "../../config/values.ts";
import { type Ended, pointCount, type Reading } from "../../metrics/model.ts";
import { PageWriter, type WriteOptions } from "../../prometheus/write.ts";
import type { IdentityLabels } from "../../prometheus/write_identity.ts";
import { PageComposer } from "../../prometheus/write_page.ts";
import { Conflicts } from "./conflicts.ts";
import { GzipPage } from "./gzip_page.ts";
import { acceptsGzip, CONTENT_TYPE, chooseFormat } from "./negotiate.ts";
import { Readings, type Snapshot } from "./readings.ts";
import { answerText, describeAddress, MetricsServer, type ServerLimits } from "./server.ts";
import { SharedPages } from "./shared_pages.ts";
import { type Puller, streamPage, Turns } from "./stream.ts";
import type { TlsConfig } from "./tls.ts";

export interface PrometheusConfig {
  readonly address: ListenAddress;
  readonly tls: TlsConfig | undefined;
  readonly path: string;
  /** Whether pullers that ask for OpenMetrics get it. */
  readonly openMetrics: boolean;
  readonly namespace: string;
  readonly labels: IdentityLabels;
  readonly timestamps: boolean;
  readonly expirationMs: number;
  readonly limits: ServerLimits & PullLimits;
}

export interface PullLimits {
  readonly resourcesMax: number;
  /** Pulls at one time; further ones are answered with 503. */
  readonly pullsMax: number;
  /** For a whole pull, however steadily its puller reads. */
  readonly pullTimeoutMs: number;
}

/** Refused readings are logged at most so often. */
const LOG_INTERVAL_MS = 60_000;

/** Keeps the latest reading of every resource and serves them all as one page. */
export class PrometheusExporter implements Exporter {
  readonly #config: PrometheusConfig;
  readonly #settings: Settings;
  readonly #readings: Readings;
  readonly #composer: PageComposer;
  readonly #server: MetricsServer;
  readonly #sharedPages: SharedPages;
  readonly #instruments: Instruments;
  readonly #conflicts: Conflicts;
  readonly #turns = new Turns();
  #pulls = 0;
  #refusalLoggedMs = Number.NEGATIVE_INFINITY;

  constructor(config: PrometheusConfig, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    const { clock, logger } = settings;
    const { limits, expirationMs, namespace, labels, path } = config;
    this.#readings = new Readings({ clock, expirationMs, resourcesMax: limits.resourcesMax });
    this.#conflicts = new Conflicts(settings);
    this.#composer = new PageComposer({ namespace, labels, onConflict: (one) => this.#conflicts.add(one) });
    this.#sharedPages = new SharedPages(clock);
    this.#instruments = createInstruments(settings);
    this.#server = new MetricsServer({
      address: config.address,
      tls: config.tls,
      routes: new Map([
        ["/", (_request, response) => this.#index(response)],
        [path, (request, response, signal) => this.#metrics(request, response, signal)],
      ]),
      limits,
      clock,
      onError: (error) => logger.warn({ error: error.message }, "Listener has trouble; it goes on."),
    });
  }

  /** Where the page is; the port is the real one where the config says 0. */
  get address(): ListenAddress {
    return this.#server.address;
  }

  async start(): Promise<void> {
    await this.#server.listen();
    const endpoint = describeAddress(this.address);
    this.#settings.logger.info({ endpoint, path: this.#config.path }, "Serving metrics.");
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    await this.#server.close(deadline);
    this.#sharedPages.clear();
  }

  consume(reading: Reading): Verdict {
    const verdict = this.#readings.put(reading);
    if (verdict === "refused") this.#logRefusal(reading);
    else this.#instruments.sent.add(pointCount(reading.schema), { exporter: this.#settings.id });
    return verdict;
  }

  end({ resource }: Ended): void {
    this.#readings.end(resource);
  }

  async #index(response: ServerResponse): Promise<void> {
    const { path } = this.#config;
    response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
    response.end(
      `<!doctype html><title>kata-collector</title><h1>kata-collector</h1><p><a href="${path}">${path}</a></p>\n`,
    );
  }

  async #metrics(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const { limits, openMetrics, timestamps } = this.#config;
    const format = openMetrics ? chooseFormat(request.headers.accept) : "text";
    const gzip = acceptsGzip(request.headers["accept-encoding"]);
    if (this.#pulls >= limits.pullsMax) {
      this.#countPull(gzip, "rejected");
      response.setHeader("Retry-After", "1");
      return answerText(response, 503, `${this.#pulls} pulls at one time are the limit; raise limits::pulls`);
    }
    response.setHeader("Content-Type", CONTENT_TYPE[format]);
    response.setHeader("Vary", "Accept, Accept-Encoding");
    if (gzip) response.setHeader("Content-Encoding", "gzip");
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    const { clock } = this.#settings;
    const late = new AbortController();
    const cancel = clock.after(limits.pullTimeoutMs, () => late.abort(new Error("pull took too long")));
    this.#pulls++;
    try {
      const puller = { out: response, signal: AbortSignal.any([signal, late.signal]) };
      await this.#send(puller, { format, timestamps }, gzip);
      response.end();
      this.#countPull(gzip, "served");
    } catch (error) {
      this.#countPull(gzip, "cut");
      throw error;
    } finally {
      this.#pulls--;
      cancel();
      this.#conflicts.report();
    }
  }

  async #send(puller: Puller, options: WriteOptions, gzip: boolean): Promise<void> {
    const { clock } = this.#settings;
    const turns = this.#turns;
    await turns.next();
    const snapshot = this.#readings.snapshot();
    if (!gzip) return await streamPage(this.#writer(snapshot, options), puller, { clock, turns });
    const page = this.#sharedPages.page(options.format, snapshot, () => {
      this.#instruments.compressions.add(1, { exporter: this.#settings.id });
      return new GzipPage(this.#writer(snapshot, options));
    });
    await page.sendTo(puller);
  }

  #writer(snapshot: Snapshot, options: WriteOptions): PageWriter {
    return new PageWriter(this.#composer.compose(snapshot.readings), options);
  }

  #countPull(gzip: boolean, outcome: "served" | "cut" | "rejected"): void {
    const encoding = gzip ? "gzip" : "identity";
    this.#instruments.pulls.add(1, { exporter: this.#settings.id, encoding, outcome });
  }

  #logRefusal({ resource }: Reading): void {
    const nowMs = this.#settings.clock.monotonicMs();
    if (nowMs - this.#refusalLoggedMs < LOG_INTERVAL_MS) return;
    this.#refusalLoggedMs = nowMs;
    this.#settings.logger.error(
      { resource: resource.key, limit: this.#config.limits.resourcesMax },
      "Resources are left out of the page; raise limits::resources.",
    );
  }
}

interface Instruments {
  readonly sent: Counter;
  readonly pulls: Counter;
  readonly compressions: Counter;
}

function createInstruments({ meter }: Settings): Instruments {
  return {
    sent: meter.createCounter("otelcol_exporter_sent_metric_points", {
      unit: "{datapoint}",
      description: "Number of metric points successfully sent to destination.",
    }),
    pulls: meter.createCounter("otelcol_exporter_prometheus_pulls", {
      unit: "{request}",
      description: "Requests for the page, by what became of them: served, cut or rejected.",
    }),
    compressions: meter.createCounter("otelcol_exporter_prometheus_compressed_pages", {
      unit: "{page}",
      description: "Pages that were compressed; pullers that come together share one.",
    }),
  };
}
