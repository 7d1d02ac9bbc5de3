// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { type DiagLogger, DiagLogLevel, diag, type Meter } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { type IMetricReader, MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import type { Logger } from "pino";
import type { Clock } from "../clock/clock.ts";
import type { BuildInfo, Settings } from "../component/component.ts";
import { readSteadyFile } from "../files/read_file.ts";
import { LISTENERS, type Share } from "../http_server/listeners.ts";
import type { Route } from "../http_server/server.ts";
import type { UsageSource } from "../process/usage_source.ts";
import { messageOf } from "../text/error_text.ts";
import { openSslCiphers } from "../tls/ciphers.ts";
import type {
  MetricReaderConfig,
  PeriodicReaderConfig,
  PullReaderConfig,
  TelemetryConfig,
} from "./config.ts";
import { observeProcess } from "./process_metrics.ts";

export interface OwnMetricsOptions {
  readonly telemetry: TelemetryConfig;
  readonly build: BuildInfo;
  readonly usage: UsageSource;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Returns the settings of the component that owns the listener of a pull reader. */
  settingsOf(meter: Meter): Settings;
}

/** The agent's own metrics, through the OpenTelemetry SDK. */
export interface OwnMetrics {
  readonly meter: Meter;
  /**
   * Reads the certificates of listeners again. Resolves to the errors of the listeners that go on with old
   * certificates.
   */
  refresh(): Promise<readonly Error[]>;
  /** Sends what periodic readers hold, and closes every listener. */
  shutdown(): Promise<void>;
}

/**
 * Starts the readers of `service::telemetry::metrics`. With level "none", instruments do nothing. Rejects, naming the
 * address, if a pull reader cannot listen on it. The SDK's exporters are imported only if a reader needs them, because
 * together they are a third of the agent's memory.
 */
export async function startOwnMetrics(options: OwnMetricsOptions): Promise<OwnMetrics> {
  const { telemetry, build, usage, logger, clock, settingsOf } = options;
  diag.setLogger(sdkLogger(logger), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const created: Reader[] = [];
  if (telemetry.metrics.level !== "none") {
    for (const reader of telemetry.metrics.readers) created.push(await createReader(reader));
  }
  const readers = created.map(({ reader }) => reader);
  const resource = resourceFromAttributes(resourceAttributes(build, telemetry.resource));
  const provider = new MeterProvider({ resource, readers });
  const meter = provider.getMeter(build.command, build.version);
  const shares = created.flatMap(({ share }) => share?.(settingsOf(meter)) ?? []);
  const stopObserving = readers.length === 0 ? () => {} : observeProcess(meter, usage, clock);
  const shutdown = async (): Promise<void> => {
    stopObserving();
    await provider.shutdown();
    await Promise.all(shares.map((share) => share.close(AbortSignal.timeout(CLOSE_TIMEOUT_MS))));
    diag.disable();
  };
  try {
    for (const share of shares) {
      await share.listen();
      logger.info({ endpoint: share.endpoint, path: PATH }, "Serving own metrics.");
    }
  } catch (error) {
    await shutdown();
    const cause = messageOf(error);
    throw new Error(`cannot serve the agent's own metrics: ${cause}`, { cause: error });
  }
  return {
    meter,
    async refresh() {
      const results = await Promise.allSettled(shares.map((share) => share.refresh()));
      return results.flatMap((one) => (one.status === "rejected" ? [one.reason as Error] : []));
    },
    shutdown,
  };
}

interface Reader {
  readonly reader: IMetricReader;
  /** Makes the reader's share of a listener. Left out for a reader that pushes. */
  share?(settings: Settings): Share;
}

const PATH = "/metrics";
/** How many milliseconds a listener that closes waits for running pulls. The page is small, so they take much less. */
const CLOSE_TIMEOUT_MS = 1_000;

async function createReader(reader: MetricReaderConfig): Promise<Reader> {
  switch (reader.kind) {
    case "pull":
      return await createPullReader(reader);
    case "periodic":
      return { reader: await createPeriodicReader(reader) };
  }
}

/** Makes a reader that a listener of the agent serves. The SDK's own listener has no limits and no authentication. */
async function createPullReader({ address, serving, withoutScopeInfo }: PullReaderConfig): Promise<Reader> {
  const { PrometheusExporter } = await import("@opentelemetry/exporter-prometheus");
  const exporter = new PrometheusExporter({ withoutScopeInfo, preventServerStart: true });
  const metrics: Route = async (request, response) => exporter.getMetricsRequestHandler(request, response);
  return {
    reader: exporter,
    share: (settings) =>
      settings.host.single(LISTENERS).share({
        owner: { kind: "extension", settings },
        address,
        serving,
        routes: new Map([[PATH, metrics]]),
        rank: 0,
      }),
  };
}

async function createPeriodicReader(reader: PeriodicReaderConfig): Promise<IMetricReader> {
  const { OTLPMetricExporter } = await import("@opentelemetry/exporter-metrics-otlp-grpc");
  const { CompressionAlgorithm } = await import("@opentelemetry/otlp-exporter-base");
  const { credentials, Metadata } = await import("@grpc/grpc-js");
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(reader.headers)) metadata.set(name, value);
  // Without a port, the SDK would use 443. Its default credentials would use TLS whatever the scheme.
  const url = /:\d+\/?$/.test(reader.endpoint) ? reader.endpoint : `${reader.endpoint}:4317`;
  const plain = reader.insecure || url.startsWith("http://");
  const exporter = new OTLPMetricExporter({
    url,
    metadata,
    credentials: plain
      ? credentials.createInsecure()
      : credentials.createFromSecureContext(await clientContext(reader.tls)),
    compression: reader.compression === "gzip" ? CompressionAlgorithm.GZIP : CompressionAlgorithm.NONE,
    timeoutMillis: reader.timeoutMs,
  });
  const { intervalMs: exportIntervalMillis, timeoutMs } = reader;
  const exportTimeoutMillis = Math.min(timeoutMs, exportIntervalMillis);
  return new PeriodicExportingMetricReader({ exporter, exportIntervalMillis, exportTimeoutMillis });
}

/** Makes the TLS context of a periodic reader. The SDK's own would have Node's ciphers, some without forward secrecy. */
async function clientContext(tls: PeriodicReaderConfig["tls"]): Promise<SecureContext> {
  const [ca, key, cert] = await Promise.all([pem(tls.caFile), pem(tls.keyFile), pem(tls.certFile)]);
  return createSecureContext({
    ciphers: openSslCiphers(),
    ...(ca === undefined ? {} : { ca }),
    ...(key === undefined ? {} : { key }),
    ...(cert === undefined ? {} : { cert }),
  });
}

async function pem(path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return Buffer.from(await readSteadyFile(path));
  } catch (error) {
    const cause = messageOf(error);
    throw new Error(`cannot read a PEM file of the agent's own metrics: ${cause}`, { cause: error });
  }
}

function resourceAttributes(
  build: BuildInfo,
  configured: TelemetryConfig["resource"],
): Record<string, string> {
  const attributes: Record<string, string> = {
    "service.name": build.command,
    "service.version": build.version,
    "service.instance.id": randomUUID(),
  };
  for (const [name, value] of Object.entries(configured)) {
    if (value === null) delete attributes[name];
    else attributes[name] = value;
  }
  return attributes;
}

/** Returns a logger for the SDK that writes to the agent's log. */
function sdkLogger(logger: Logger): DiagLogger {
  const log = (level: "debug" | "warn" | "error") => {
    return (message: string, ...details: unknown[]): void => {
      logger[level]({ detail: [message, ...details].map(String).join(" ") }, "OpenTelemetry SDK reports.");
    };
  };
  return {
    error: log("error"),
    warn: log("warn"),
    info: log("debug"),
    debug: log("debug"),
    verbose: log("debug"),
  };
}
