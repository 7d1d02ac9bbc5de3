// SPDX-License-Identifier: Apache-2.0
import type { TestContext } from "node:test";
import { systemClock } from "../../../src/clock/clock.ts";
import type { Exporter } from "../../../src/component/component.ts";
import type { ExporterFactory } from "../../../src/component/factory.ts";
import type { Host } from "../../../src/component/host.ts";
import { Interner } from "../../../src/metrics/interner.ts";
import type { Reading } from "../../../src/metrics/model.ts";
import { createHost } from "../../../src/pipeline/host.ts";
import { type LogLine, recordedLogger } from "./logs.ts";
import { testSettings } from "./settings.ts";

const interner = new Interner();

/** Makes a reading of one gauge with a point for each value. */
export function gaugeReading(id: string, values: readonly number[], timeMs: number = Date.now()): Reading {
  const points = values.map((_, index) => ({
    attributes: [{ key: "item", value: `item_${index}` }],
    bounds: [],
    boundTexts: [],
  }));
  const family = interner.family({ name: "kata_guest_load", kind: "gauge", unit: "", help: "Load.", points });
  return {
    resource: { key: id, attributes: [{ key: "kata.sandbox.id", value: id }] },
    schema: interner.schema([family]),
    values: Float64Array.from(values),
    timeMs,
    startMs: 0,
  };
}

/** Starts an exporter that retries after 20 ms, and records its log. It is shut down after the test, without a flush. */
export async function runningExporter<C>(
  context: TestContext,
  factory: ExporterFactory<C>,
  options: { readonly id: string; readonly config: object; readonly host?: Host },
): Promise<{ readonly exporter: Exporter; readonly lines: readonly LogLine[] }> {
  const { logger, lines } = recordedLogger();
  const retry_on_failure = { initial_interval: "20ms", randomization_factor: 0 };
  const config = factory.schema.parse({ retry_on_failure, ...options.config });
  const build = { command: "kata-collector", description: "", version: "1.2.3" };
  const { id, host = createHost() } = options;
  const settings = testSettings({ id, logger, clock: systemClock, interner, build, host });
  const exporter = factory.create(config, settings);
  context.after(() => exporter.shutdown(AbortSignal.abort()));
  await exporter.start();
  return { exporter, lines };
}
