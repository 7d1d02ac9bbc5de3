// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { testSettings } from "../../../test/kit/component/settings.ts";
import { ReceiverMetrics } from "./receiver_metrics.ts";

class OnDemand extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
  /** Each point as `name{attributes} value`. */
  async lines(): Promise<string[]> {
    const { resourceMetrics } = await this.collect();
    return resourceMetrics.scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap(({ descriptor, dataPoints }) =>
        dataPoints.map(
          ({ attributes, value }) =>
            `${descriptor.name}{${Object.values(attributes).join()}} ${String(value)}`,
        ),
      ),
    );
  }
}

test("points and scrapes are counted under the Collector's names, and sandboxes by state until the end", async () => {
  const reader = new OnDemand();
  const provider = new MeterProvider({ readers: [reader] });
  const metrics = new ReceiverMetrics(testSettings({ id: "kata/x", meter: provider.getMeter("test") }));
  metrics.accepted(7);
  metrics.accepted(3);
  metrics.skipped("queue_full");
  metrics.scraped(9);
  metrics.failed("timeout");
  let asked = 0;
  const stop = metrics.observe(() => {
    asked++;
    return ["up", "up", "stale"];
  });
  assert.deepEqual((await reader.lines()).sort(), [
    "kata_collector_sandboxes{kata/x,ending} 0",
    "kata_collector_sandboxes{kata/x,failing} 0",
    "kata_collector_sandboxes{kata/x,pending} 0",
    "kata_collector_sandboxes{kata/x,stale} 1",
    "kata_collector_sandboxes{kata/x,unsafe} 0",
    "kata_collector_sandboxes{kata/x,up} 2",
    "kata_collector_scrapes_skipped{kata/x,queue_full} 1",
    "kata_collector_scrapes{kata/x,ok} 1",
    "kata_collector_scrapes{kata/x,timeout} 1",
    "otelcol_receiver_accepted_metric_points{kata/x,unix} 10",
    "otelcol_scraper_errored_metric_points{kata/x,shim} 1",
    "otelcol_scraper_scraped_metric_points{kata/x,shim} 9",
  ]);
  stop();
  await reader.lines();
  assert.equal(asked, 1);
  await provider.shutdown();
});
