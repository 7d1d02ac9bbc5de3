// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { createNoopMeter } from "@opentelemetry/api";
import { pino } from "pino";
import { systemClock } from "../../src/clock/clock.ts";
import type { Exporter } from "../../src/component/component.ts";
import { factory } from "../../src/exporters/otlp_grpc/factory.ts";
import { Interner } from "../../src/metrics/interner.ts";
import { createHost } from "../../src/pipeline/host.ts";
import { PageParser } from "../../src/prometheus/parse/page_parser.ts";
import { defaultParseLimits } from "../../src/prometheus/parse/parse_limits.ts";
import { createPage } from "../../src/simulator/pages.ts";
import { recordedLogger } from "../kit/component/logs.ts";
import { peerIsThere } from "../kit/peers.ts";
import {
  OTLP_RECEIVER_NEEDS,
  type OtlpJsonAttribute,
  type OtlpJsonMetric,
  type OtlpJsonPoint,
  startOtlpReceiver,
} from "./otlp_receiver.ts";

const START_MS = 1_699_999_000_000;

function exporterTo(endpoint: string, interner: Interner, logger = pino({ level: "silent" })): Exporter {
  return factory.create(factory.schema.parse({ endpoint, tls: { insecure: true } }), {
    id: "otlp_grpc",
    logger,
    meter: createNoopMeter(),
    clock: systemClock,
    interner,
    host: createHost(),
    build: { command: "kata-collector", description: "", version: "1.2.3" },
    env: {},
  });
}

test("a batch that is too large for another implementation's receiver is sent in parts", async (context) => {
  const receiver = await startOtlpReceiver(256 * 1024);
  if (!peerIsThere(context, OTLP_RECEIVER_NEEDS, receiver !== undefined) || receiver === undefined) return;
  context.after(() => receiver.close());
  const interner = new Interner();
  const { logger, lines } = recordedLogger();
  const exporter = exporterTo(receiver.endpoint, interner, logger);
  await exporter.start();
  const source = new PageParser({ interner, limits: defaultParseLimits }).source([]);
  const rendered = createPage({ flavor: "go", seed: 1 }).render();
  const { schema, values } = source.parse(Buffer.concat([rendered, Buffer.alloc(16)]), rendered.length);
  const keys = Array.from({ length: 16 }, (_, index) => `s${index}`);
  for (const key of keys) {
    const resource = { key, attributes: [{ key: "kata.sandbox.id", value: key }] };
    exporter.consume({ resource, schema, values, timeMs: START_MS + 1, startMs: START_MS });
  }
  await exporter.shutdown(AbortSignal.timeout(20_000));
  const received = receiver.requests.flatMap(({ resourceMetrics }) => resourceMetrics ?? []);
  const ids = received.map(({ resource }) => resource?.attributes?.[0]?.value.stringValue);
  assert.deepEqual(ids.toSorted(), keys.toSorted());
  assert.ok(receiver.requests.length < keys.length, "and not one by one");
  const said = lines.filter(({ option }) => option === "sending_queue::batch::max_size");
  assert.equal(said.length, 1);
});

test("another implementation finds every value of a page in the exporter's requests", async (context) => {
  const receiver = await startOtlpReceiver();
  if (!peerIsThere(context, OTLP_RECEIVER_NEEDS, receiver !== undefined) || receiver === undefined) return;
  context.after(() => receiver.close());
  const interner = new Interner();
  const exporter = exporterTo(receiver.endpoint, interner);
  context.after(() => exporter.shutdown(AbortSignal.abort()));
  await exporter.start();

  const source = new PageParser({ interner, limits: defaultParseLimits }).source([]);
  const resource = { key: "s1", attributes: [{ key: "kata.sandbox.id", value: "s1" }] };
  const rendered = createPage({ flavor: "go", seed: 1 }).render();
  const text = rendered.toString();
  const { schema, values } = source.parse(Buffer.concat([rendered, Buffer.alloc(16)]), rendered.length);
  const timeMs = 1_700_000_000_000;
  exporter.consume({ resource, schema, values, timeMs, startMs: START_MS });
  exporter.end({ resource, timeMs: timeMs + 5 });
  await exporter.shutdown(AbortSignal.timeout(10_000));

  const entries = receiver.requests.flatMap(({ resourceMetrics }) => resourceMetrics ?? []);
  assert.equal(entries.length, 2, "the reading and its end");
  const [reading, ended] = entries.map(({ scopeMetrics }) => scopeMetrics?.[0]);
  assert.deepEqual(entries[0]?.resource?.attributes, [
    { key: "kata.sandbox.id", value: { stringValue: "s1" } },
  ]);
  assert.deepEqual(reading?.scope, { name: "kata-collector", version: "1.2.3" });
  const want = samplesOfPage(text);
  assert.ok(want.size > 1_000);
  assert.deepEqual(samplesOfMetrics(reading?.metrics ?? []), want);
  for (const metric of reading?.metrics ?? []) checkTimes(metric);

  const flags = (ended?.metrics ?? []).flatMap((metric) => pointsOf(metric).map((point) => point.flags));
  assert.equal(flags.length, (reading?.metrics ?? []).flatMap(pointsOf).length);
  assert.deepEqual(new Set(flags), new Set([1]));
});

function pointsOf({ gauge, sum, histogram, summary }: OtlpJsonMetric): readonly OtlpJsonPoint[] {
  return (gauge ?? sum ?? histogram ?? summary)?.dataPoints ?? [];
}

function checkTimes(metric: OtlpJsonMetric): void {
  for (const point of pointsOf(metric)) {
    assert.equal(point.timeUnixNano, "1700000000000000000");
    assert.equal(point.startTimeUnixNano, metric.gauge === undefined ? "1699999000000000000" : undefined);
  }
  if (metric.sum !== undefined) assert.equal(metric.sum.isMonotonic, true);
}

/** Returns the samples of a page by name and sorted labels: `name{a="b"}`. */
function samplesOfPage(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [, name = "", labels = "", value] = /^([^#\s{]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (value === undefined) continue;
    const list = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = "", text = ""]) => ({ key, text }));
    samples.set(seriesKey(name, list), Number(value.replace("+Inf", "Infinity")));
  }
  return samples;
}

/** Returns the same samples from the metrics that were received. */
function samplesOfMetrics(metrics: readonly OtlpJsonMetric[]): Map<string, number> {
  const samples = new Map<string, number>();
  for (const metric of metrics) {
    for (const point of pointsOf(metric)) {
      const labels = (point.attributes ?? []).map(labelOf);
      const set = (suffix: string, value: unknown, extra: readonly Label[] = []): void => {
        samples.set(seriesKey(metric.name + suffix, [...labels, ...extra]), Number(value));
      };
      if (point.asDouble !== undefined) set("", point.asDouble);
      else {
        set("_sum", point.sum ?? 0);
        set("_count", point.count ?? 0);
      }
      for (const { quantile = 0, value = 0 } of point.quantileValues ?? [])
        set("", value, [{ key: "quantile", text: String(quantile) }]);
      let upTo = 0;
      for (const [index, count] of (point.bucketCounts ?? []).entries()) {
        upTo += Number(count);
        const bound = point.explicitBounds?.[index];
        set("_bucket", upTo, [{ key: "le", text: bound === undefined ? "+Inf" : String(bound) }]);
      }
    }
  }
  return samples;
}

interface Label {
  readonly key: string;
  readonly text: string;
}

function labelOf({ key, value }: OtlpJsonAttribute): Label {
  return { key, text: value.stringValue ?? "" };
}

function seriesKey(name: string, labels: readonly Label[]): string {
  const numeric = (key: string): boolean => key === "le" || key === "quantile";
  const texts = labels.map(({ key, text }) =>
    numeric(key) && text !== "+Inf" ? `${key}=${Number(text)}` : `${key}=${text}`,
  );
  return `${name}{${texts.sort().join(",")}}`;
}
