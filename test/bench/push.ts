// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { type Counter, createNoopMeter, type Meter } from "@opentelemetry/api";
import { pino } from "pino";
import { systemClock } from "../../src/clock/clock.ts";
import type { Exporter, Settings } from "../../src/component/component.ts";
import { Interner } from "../../src/metrics/interner.ts";
import { pointCount, type Reading } from "../../src/metrics/model.ts";
import { createHost } from "../../src/pipeline/host.ts";
import { PageParser } from "../../src/prometheus/parse/page_parser.ts";
import { defaultParseLimits } from "../../src/prometheus/parse/parse_limits.ts";
import { registry } from "../../src/registry.ts";
import { createPage } from "../../src/simulator/pages.ts";
import { poll } from "../kit/poll.ts";
import type { SinkBytes } from "./push_sink.ts";
import type { SinkPorts } from "./sinks.ts";

/** The cost of pushing a thousand samples, and the bytes that are sent. */
export interface PushRow {
  readonly exporter: string;
  /** The CPU time of all threads of this process: encoding, compressing and sending. */
  readonly "CPU µs / 1,000 samples": string;
  /** The CPU time of the main thread, which also scrapes and serves. */
  readonly "of it the main thread": string;
  readonly "bytes / sample": string;
}

const SANDBOXES = 100;
const WARM_ROUNDS = 5;
const ROUNDS = 10;

/** Measures every exporter that pushes, with every compression, to a sink in another process, with one node's readings. */
export async function benchPush(): Promise<readonly PushRow[]> {
  const sink = fork(join(import.meta.dirname, "push_sink.ts"));
  try {
    const [ports] = (await once(sink, "message")) as [SinkPorts];
    const grpc = { endpoint: `http://127.0.0.1:${ports.grpc}` };
    const http = { endpoint: `http://127.0.0.1:${ports.http}` };
    const rows: PushRow[] = [];
    for (const [name, type, config] of [
      ["otlp_grpc, none", "otlp_grpc", { ...grpc, compression: "none" }],
      ["otlp_grpc, gzip", "otlp_grpc", grpc],
      ["otlp_http, none", "otlp_http", { ...http, compression: "none" }],
      ["otlp_http, gzip", "otlp_http", http],
      ["otlp_http, gzip level 1", "otlp_http", { ...http, compression_params: { level: 1 } }],
      ["otlp_http, zstd", "otlp_http", { ...http, compression: "zstd" }],
      ["otlp_http, JSON, none", "otlp_http", { ...http, encoding: "json", compression: "none" }],
      ["otlp_http, JSON, gzip", "otlp_http", { ...http, encoding: "json" }],
      ["otlp_http, JSON, zstd", "otlp_http", { ...http, encoding: "json", compression: "zstd" }],
      ["prometheus_remote_write", "prometheus_remote_write", http],
    ] as const) {
      rows.push({ exporter: name, ...(await measure(type, config, sink)) });
    }
    return rows;
  } finally {
    sink.disconnect();
  }
}

async function measure(type: string, config: object, sink: ChildProcess): Promise<Omit<PushRow, "exporter">> {
  const { read, samples } = makeNode();
  let sent = 0;
  const exporter = await startExporter(type, config, (points) => {
    sent += points;
  });
  const round = async (number: number): Promise<void> => {
    const before = sent;
    let points = 0;
    for (const reading of read(number)) {
      exporter.consume(reading);
      points += pointCount(reading.schema);
      // In an agent readings come one by one, too.
      await setImmediate();
    }
    await poll(`${points} points to be sent`, () => (sent - before >= points ? true : undefined), 60_000);
  };
  for (let number = 0; number < WARM_ROUNDS; number++) await round(number);
  await receivedBytes(sink);
  const begin = process.cpuUsage();
  const beginThread = process.threadCpuUsage();
  for (let number = 0; number < ROUNDS; number++) await round(number);
  const all = process.cpuUsage(begin);
  const thread = process.threadCpuUsage(beginThread);
  const bytes = await receivedBytes(sink);
  await exporter.shutdown(AbortSignal.timeout(10_000));
  const perThousand = ({ user, system }: NodeJS.CpuUsage): string =>
    (((user + system) * 1_000) / (samples * ROUNDS)).toFixed(0);
  return {
    "CPU µs / 1,000 samples": perThousand(all),
    "of it the main thread": perThousand(thread),
    "bytes / sample": (bytes / (samples * ROUNDS)).toFixed(1),
  };
}

async function startExporter(
  type: string,
  config: object,
  onSent: (points: number) => void,
): Promise<Exporter> {
  const factory = await registry.exporters[type]?.load();
  if (factory === undefined) throw new Error(`there is no exporter "${type}"`);
  const settings: Settings = {
    id: type,
    logger: pino({ level: "error" }),
    meter: meterOfSent(onSent),
    clock: systemClock,
    interner: new Interner(),
    host: createHost(),
    build: { command: "bench", description: "", version: "0" },
    env: {},
  };
  // The queue holds a whole round, so that nothing is dropped.
  const exporter = factory.create(
    factory.schema.parse({ ...config, sending_queue: { queue_size: "1GiB" } }),
    settings,
  );
  await exporter.start();
  return exporter;
}

/** Makes a meter that calls `onSent` with the points that the exporter counts as sent. */
function meterOfSent(onSent: (points: number) => void): Meter {
  const noop = createNoopMeter();
  const createCounter = (name: string): Counter =>
    name === "otelcol_exporter_sent_metric_points" ? { add: onSent } : noop.createCounter(name);
  return Object.assign(Object.create(noop) as Meter, { createCounter });
}

async function receivedBytes(sink: ChildProcess): Promise<number> {
  sink.send("bytes");
  const [{ bytes }] = (await once(sink, "message")) as [SinkBytes];
  return bytes;
}

/** Makes a node's sandboxes, whose values change from round to round. */
function makeNode(): { read: (round: number) => Reading[]; readonly samples: number } {
  const interner = new Interner();
  const parser = new PageParser({ interner, limits: defaultParseLimits });
  const sandboxes = Array.from({ length: SANDBOXES }, (_, seed) => {
    const page = createPage({ flavor: "go", seed });
    const attributes = [
      { key: "kata.sandbox.id", value: seed.toString(16).padStart(64, "0") },
      { key: "k8s.pod.uid", value: `6fdb1b5e-0c1e-4a53-9d4e-${String(seed).padStart(12, "0")}` },
      { key: "k8s.pod.name", value: `pod-${seed}` },
      { key: "k8s.namespace.name", value: "default" },
    ];
    const source = parser.source([]);
    const scrapes = Array.from({ length: 5 }, () => {
      const bytes = page.render();
      return source.parse(bytes, bytes.length);
    });
    return { resource: { key: `kata/${seed}`, attributes }, scrapes };
  });
  let timeMs = Date.now();
  return {
    samples: sandboxes.reduce((sum, { scrapes }) => sum + (scrapes[0]?.values.length ?? 0), 0),
    read(round) {
      timeMs += 15_000;
      return sandboxes.flatMap(({ resource, scrapes }) => {
        const scrape = scrapes[round % scrapes.length];
        return scrape === undefined
          ? []
          : [{ resource, schema: scrape.schema, values: scrape.values, timeMs, startMs: timeMs - 1e6 }];
      });
    },
  };
}
