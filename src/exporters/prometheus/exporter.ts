// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Counter } from "@opentelemetry/api";
import type { Exporter, Settings } from "../../component/component.ts";
import { LISTENERS, type Share } from "../../http_server/listeners.ts";
import { METRICS_PAGES, type MetricsPage, type PullOptions } from "../../http_server/metrics_page.ts";
import { type Puller, streamPage, Turns } from "../../http_server/page_stream.ts";
import { answerBody, answerText } from "../../http_server/server.ts";
import type { Serving } from "../../http_server/serving.ts";
import { type Ended, pointCount, type Reading } from "../../metrics/model.ts";
import type { ListenAddress } from "../../options/values.ts";
import { type ComposeOptions, PageComposer } from "../../prometheus/page/compose.ts";
import { ConflictLog, type ConflictTexts } from "../../prometheus/series/conflict_log.ts";
import type { IdentityLabels } from "../../prometheus/series/resource_labels.ts";
import { PageWriter, type WriteOptions } from "../../prometheus/write/page_writer.ts";
import { CutLog } from "./cut_log.ts";
import { GzipPage } from "./gzip_page.ts";
import { acceptsGzip, chooseFormat, PAGE_CONTENT_TYPE } from "./negotiate.ts";
import { Pulls } from "./pulls.ts";
import { Readings } from "./readings.ts";
import { SharedPages } from "./shared_pages.ts";

/** The checked config of one exporter. */
export interface PrometheusConfig {
  readonly address: ListenAddress;
  readonly serving: Serving;
  readonly path: string;
  /** Whether a puller that asks for OpenMetrics gets it. */
  readonly openMetrics: boolean;
  readonly namespace: string;
  readonly labels: IdentityLabels;
  readonly timestamps: boolean;
  readonly expirationMs: number;
  readonly limits: PullLimits;
}

/** Limits on the page and on pulls of it. */
export interface PullLimits {
  readonly resourcesMax: number;
  /** The most samples of a page; infinite for no limit. */
  readonly pageSamplesMax: number;
  /** The most bytes of a page before compression; infinite for no limit. If undefined, it is `PAGE_BYTES_MAX`. */
  readonly pageBytesMax: number | undefined;
  /**
   * The most pulls at one time. A further pull makes `Pulls` cut one of these, or is answered with 503 if none can be
   * cut.
   */
  readonly pullsMax: number;
}

/**
 * The bytes of a page above which its largest sandboxes are cut, if the config does not set the limit. vmagent accepts
 * 16 MiB by default. If honest sandboxes need more, the page is larger.
 */
const PAGE_BYTES_MAX = 16_000_000;

/** The least time between two log lines about readings that are left out. */
const LOG_INTERVAL_MS = 60_000;

const CONFLICTS: ConflictTexts = {
  metric: "otelcol_exporter_prometheus_conflicts",
  description:
    "Families, series and labels that a page could not show as their sources have them: families and points once per pull, series and labels once per layout.",
  message:
    "Metrics that collide, or that the format forbids, are not on the page as their sources have them.",
};

/** Keeps the latest reading of every resource and serves them all as one page. */
export class PrometheusExporter implements Exporter, MetricsPage {
  readonly #config: PrometheusConfig;
  readonly #settings: Settings;
  readonly #readings: Readings;
  readonly #composer: PageComposer;
  readonly #cutLog: CutLog;
  readonly #share: Share;
  #withdraw: () => void = () => {};
  readonly #sharedPages: SharedPages;
  readonly #instruments: Instruments;
  readonly #conflicts: ConflictLog;
  readonly #turns = new Turns();
  readonly #pulls: Pulls;
  #leftOutLoggedMs = Number.NEGATIVE_INFINITY;

  constructor(config: PrometheusConfig, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    const { clock } = settings;
    const { limits, expirationMs, namespace, labels, path } = config;
    this.#readings = new Readings({ clock, expirationMs, resourcesMax: limits.resourcesMax });
    this.#conflicts = new ConflictLog(settings, CONFLICTS);
    this.#cutLog = new CutLog(settings, { isBytesMaxSet: limits.pageBytesMax !== undefined });
    this.#composer = new PageComposer({
      namespace,
      labels,
      budget: {
        interner: settings.interner,
        samplesMax: limits.pageSamplesMax,
        bytesMax: limits.pageBytesMax ?? PAGE_BYTES_MAX,
        timestamps: config.timestamps,
        onCut: (resource, limit) => this.#cutLog.cut(resource, limit),
        onTooLarge: (limit, isTooLarge) => this.#cutLog.tooLarge(limit, isTooLarge),
      },
      onConflict: (one) => this.#conflicts.add(one),
    });
    this.#sharedPages = new SharedPages(clock);
    this.#pulls = new Pulls(limits.pullsMax);
    this.#instruments = createInstruments(settings);
    this.#share = settings.host.single(LISTENERS).share({
      owner: { kind: "exporter", settings },
      address: config.address,
      serving: config.serving,
      routes: new Map([
        ["/", (_request, response) => this.#index(response)],
        [path, (request, response, signal) => this.answer(request, response, signal, {})],
      ]),
      rank: 0,
    });
  }

  /** The address of the page. If the config sets port 0, this address has the port that the system has chosen. */
  get address(): ListenAddress {
    return this.#share.address;
  }

  async start(): Promise<void> {
    await this.#share.listen();
    this.#withdraw = this.#settings.host.single(METRICS_PAGES).add(this.#settings.id, this);
    const { endpoint } = this.#share;
    this.#settings.logger.info({ endpoint, path: this.#config.path }, "Serving metrics.");
  }

  refresh(): Promise<void> {
    return this.#share.refresh();
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    this.#withdraw();
    await this.#share.close(deadline);
    this.#sharedPages.clear();
  }

  noRoom(): undefined {}

  consume(reading: Reading): void {
    const points = pointCount(reading.schema);
    const exporter = { exporter: this.#settings.id };
    if (this.#readings.put(reading)) {
      this.#composer.note(reading);
      this.#instruments.sent.add(points, exporter);
      return;
    }
    this.#instruments.failed.add(points, { ...exporter, reason: "resources", "error.type": "resources" });
    this.#logLeftOut(reading);
  }

  end({ resource }: Ended): void {
    this.#readings.end(resource);
  }

  async #index(response: ServerResponse): Promise<void> {
    const { path } = this.#config;
    const html = `<!doctype html><title>kata-collector</title><h1>kata-collector</h1><p><a href="${path}">${path}</a></p>\n`;
    answerBody(response, 200, { type: "text/html", body: Buffer.from(html) });
  }

  /** Answers a pull. Rejects if the pull ends before the whole page was sent. */
  async answer(
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
    options: PullOptions,
  ): Promise<void> {
    const { openMetrics, timestamps } = this.#config;
    const format = openMetrics ? chooseFormat(request.headers.accept) : "text";
    const gzip = acceptsGzip(request.headers["accept-encoding"]);
    const pull = this.#pulls.begin(request, response, signal);
    if (pull === undefined) {
      this.#countPull(gzip, "rejected");
      response.setHeader("Retry-After", "1");
      const { pullsMax } = this.#config.limits;
      return answerText(response, 503, `${pullsMax} pulls at one time are the limit; raise limits::pulls`);
    }
    response.setHeader("Content-Type", PAGE_CONTENT_TYPE[format]);
    response.setHeader("Vary", "Accept, Accept-Encoding");
    if (gzip) response.setHeader("Content-Encoding", "gzip");
    if (request.method === "HEAD") {
      this.#pulls.end(pull);
      response.end();
      return;
    }
    try {
      await this.#send(pull, { format, timestamps, ...options }, gzip);
      response.end();
      this.#countPull(gzip, "served");
    } catch (error) {
      this.#countPull(gzip, "cut");
      throw error;
    } finally {
      this.#pulls.end(pull);
      this.#conflicts.report();
    }
  }

  async #send(
    puller: Puller,
    options: WriteOptions & ComposeOptions & PullOptions,
    gzip: boolean,
  ): Promise<void> {
    const { clock } = this.#settings;
    const turns = this.#turns;
    await turns.next();
    const snapshot = this.#readings.snapshot();
    const { format, own = [], prefixes } = options;
    const writer = (): PageWriter => {
      const page = this.#composer.compose([...own, ...snapshot.readings], { format, prefixes });
      return new PageWriter(page, options);
    };
    if (!gzip) return await streamPage(writer(), puller, { clock, turns });
    const create = (): GzipPage => {
      this.#instruments.compressions.add(1, { exporter: this.#settings.id });
      return new GzipPage(writer());
    };
    // Only pages of all families are shared. A page of chosen families is compressed for its puller alone.
    if (prefixes !== undefined) return await create().sendTo(puller);
    const key = own.length > 0 ? `${format} own` : format;
    await this.#sharedPages.page(key, snapshot, create).sendTo(puller);
  }

  #countPull(gzip: boolean, outcome: "served" | "cut" | "rejected"): void {
    const encoding = gzip ? "gzip" : "identity";
    this.#instruments.pulls.add(1, { exporter: this.#settings.id, encoding, outcome });
  }

  #logLeftOut({ resource }: Reading): void {
    const nowMs = this.#settings.clock.monotonicMs();
    if (nowMs - this.#leftOutLoggedMs < LOG_INTERVAL_MS) return;
    this.#leftOutLoggedMs = nowMs;
    this.#settings.logger.error(
      { resource: resource.key, limit: this.#config.limits.resourcesMax },
      "Resources are left out of the page; raise limits::resources.",
    );
  }
}

interface Instruments {
  readonly sent: Counter;
  readonly failed: Counter;
  readonly pulls: Counter;
  readonly compressions: Counter;
}

function createInstruments({ meter }: Settings): Instruments {
  return {
    sent: meter.createCounter("otelcol_exporter_sent_metric_points", {
      unit: "{datapoint}",
      description: "Number of metric points successfully sent to destination.",
    }),
    failed: meter.createCounter("otelcol_exporter_send_failed_metric_points", {
      unit: "{datapoint}",
      description: "Number of metric points in failed attempts to send to destination.",
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
