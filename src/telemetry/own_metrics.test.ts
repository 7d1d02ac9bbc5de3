import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { freePort } from "../../test/e2e/agent_process.ts";
import { poll } from "../../test/e2e/poll.ts";
import { systemClock } from "../clock/clock.ts";
import type { TelemetryConfig } from "../config/service.ts";
import { serviceSchema } from "../config/service.ts";
import { startOtlpSink } from "../simulator/otlp_sink.ts";
import { startOwnMetrics } from "./own_metrics.ts";

const build = { command: "kata-collector", description: "", version: "1.2.3" };

function start(telemetry: TelemetryConfig) {
  const logger = pino({ level: "silent" });
  return startOwnMetrics({ telemetry, build, usage: process, logger, clock: systemClock });
}

/** The config that the user's words give. */
function telemetryOf(metrics: unknown, resource: unknown = {}): TelemetryConfig {
  return serviceSchema.parse({ pipelines: {}, telemetry: { metrics, resource } }).telemetry;
}

test("a pull reader serves the agent's metrics under the Collector's names", async () => {
  const port = await freePort();
  const reader = { pull: { exporter: { prometheus: { host: "127.0.0.1", port } } } };
  const own = await start(telemetryOf({ readers: [reader] }, { "k8s.node.name": "n1" }));
  try {
    own.meter.createCounter("otelcol_receiver_accepted_metric_points").add(3, { receiver: "kata" });
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    assert.match(text, /^otelcol_receiver_accepted_metric_points_total\{receiver="kata"\} 3$/m);
    assert.match(text, /^otelcol_process_memory_rss [0-9]+$/m);
    assert.match(text, /^kata_collector_event_loop_delay_max_seconds [0-9.e-]+$/m);
    assert.match(text, /^target_info\{.*service_version="1\.2\.3".*k8s_node_name="n1"/m);
  } finally {
    await own.shutdown();
  }
  await assert.rejects(fetch(`http://127.0.0.1:${port}/metrics`), "the listener is closed");
});

test("a periodic reader pushes them over OTLP", async () => {
  let points = 0;
  const sink = await startOtlpSink((delivery) => {
    points += delivery.points;
  });
  const otlp = { protocol: "grpc", endpoint: `http://${sink.endpoint}` };
  const own = await start(
    telemetryOf({ readers: [{ periodic: { interval: 200, timeout: 200, exporter: { otlp } } }] }),
  );
  try {
    await poll("a push", () => (points > 0 ? true : undefined));
  } finally {
    await own.shutdown();
    sink.close();
  }
});

test("level none has no reader and instruments that do nothing", async () => {
  const port = await freePort();
  const reader = { pull: { exporter: { prometheus: { host: "127.0.0.1", port } } } };
  const own = await start(telemetryOf({ level: "none", readers: [reader] }));
  own.meter.createCounter("x").add(1);
  await assert.rejects(fetch(`http://127.0.0.1:${port}/metrics`));
  await own.shutdown();
});

test("a port that is taken is named", async () => {
  const port = await freePort();
  const telemetry = telemetryOf({
    readers: [{ pull: { exporter: { prometheus: { host: "127.0.0.1", port } } } }],
  });
  const first = await start(telemetry);
  try {
    await assert.rejects(start(telemetry), {
      message: new RegExp(`cannot serve the agent's own metrics on 127\\.0\\.0\\.1:${port}`),
    });
  } finally {
    await first.shutdown();
  }
});
