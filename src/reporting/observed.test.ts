// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { observed } from "./observed.ts";

function scene(context: TestContext) {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  const meter = provider.getMeter("test");
  const gauge = () => meter.createObservableGauge("size");
  const collect = async (): Promise<unknown[]> => {
    exporter.reset();
    await reader.forceFlush();
    const [metric] = exporter.getMetrics()[0]?.scopeMetrics[0]?.metrics ?? [];
    return metric?.dataPoints.map(({ value, attributes }) => [attributes["of"], value]) ?? [];
  };
  context.after(() => provider.shutdown());
  return { gauge, collect };
}

test("series are reported while they are observed, and are 0 after that, unless others report them", async (context) => {
  const { gauge, collect } = scene(context);
  let reads = 0;
  const stop = observed(gauge(), () => {
    reads++;
    return [
      [7, { of: "a" }],
      [8, { of: "b" }],
    ];
  });
  assert.deepEqual(await collect(), [
    ["a", 7],
    ["b", 8],
  ]);
  stop();
  observed(gauge(), () => [[9, { of: "b" }]]);
  for (let round = 0; round < 2; round++)
    assert.deepEqual(await collect(), [
      ["a", 0],
      ["b", 9],
    ]);
  assert.equal(reads, 1);
});

test("series can end with another number than 0, if 0 would be wrong", async (context) => {
  const { gauge, collect } = scene(context);
  observed(gauge(), () => [[7, { of: "a" }]], Number.NaN)();
  assert.deepEqual(await collect(), [], "nothing was shown that could end");
  const stop = observed(gauge(), () => [[7, { of: "a" }]], Number.NaN);
  assert.deepEqual(await collect(), [["a", 7]]);
  stop();
  for (let round = 0; round < 2; round++) assert.deepEqual(await collect(), [["a", Number.NaN]]);
});
