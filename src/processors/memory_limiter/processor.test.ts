import assert from "node:assert/strict";
import { test } from "node:test";
import { createNoopMeter, type Meter } from "@opentelemetry/api";
import { testSettings } from "../../../test/scenes/settings.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import type { Consumer, Verdict } from "../../component/component.ts";
import { Interner } from "../../metrics/interner.ts";
import type { Reading } from "../../metrics/model.ts";
import { memoryLimiterSchema } from "./config.ts";
import { factory } from "./factory.ts";
import { MemoryMonitor } from "./monitor.ts";
import { MemoryLimiterProcessor } from "./processor.ts";

const MIB = 1024 * 1024;
const interner = new Interner();

function reading(): Reading {
  const points = ["a", "b", "c"].map((value) => ({
    attributes: [{ key: "item", value }],
    bounds: [],
    boundTexts: [],
  }));
  const family = interner.family({ name: "kata_guest_load", kind: "gauge", unit: "", help: "", points });
  const resource = { key: "s1", attributes: [] };
  return {
    resource,
    schema: interner.schema([family]),
    values: Float64Array.of(1, 2, 3),
    timeMs: 1,
    startMs: 0,
  };
}

/** Sums of the counters, as `name{processor}`. */
function meterOf(): { readonly meter: Meter; readonly sums: Record<string, number> } {
  const sums: Record<string, number> = {};
  const meter = createNoopMeter();
  meter.createCounter = (name) => ({
    add(value, attributes) {
      const key = `${name.replace("otelcol_processor_memory_limiter_", "")}{${attributes?.["processor"]}}`;
      sums[key] = (sums[key] ?? 0) + value;
    },
  });
  return { meter, sums };
}

test("refused readings do not pass and are counted, ends pass always", async () => {
  const clock = new FakeClock();
  const { meter, sums } = meterOf();
  const settings = testSettings({ id: "memory_limiter", meter, clock });
  const memory = { used: 50 };
  const monitor = new MemoryMonitor({
    ...settings,
    config: memoryLimiterSchema.parse({ check_interval: "1s", limit_mib: 100 }),
    statuses: settings.host.statuses,
    memory: {
      totalBytes: () => 0,
      read: () => ({ usedBytes: memory.used * MIB, rssBytes: memory.used * MIB }),
      collect: () => false,
    },
  });
  const passed: string[] = [];
  let verdict: Verdict = "accepted";
  const next: Consumer = {
    consume(one) {
      passed.push(one.resource.key);
      return verdict;
    },
    end: ({ resource }) => passed.push(`end of ${resource.key}`),
  };
  const processor = new MemoryLimiterProcessor(monitor, settings, next);
  const given = reading();
  await processor.start();
  assert.equal(processor.consume(given), "accepted");
  memory.used = 90;
  await clock.advance(1_000);
  assert.equal(processor.consume(given), "refused");
  processor.end({ resource: given.resource, timeMs: 2 });
  assert.deepEqual(passed, ["s1", "end of s1"]);
  assert.deepEqual(sums, {
    "accepted_metric_points{memory_limiter}": 3,
    "refused_metric_points{memory_limiter}": 3,
  });
  memory.used = 50;
  await clock.advance(1_000);
  verdict = "refused";
  assert.equal(processor.consume(given), "refused", "what is refused further on is refused here");
  await processor.shutdown();
  await processor.shutdown();
  assert.equal(clock.timerCount, 0);
});

test("a limit that this process has passed already refuses after the first look", async () => {
  const clock = new FakeClock();
  const next: Consumer = { consume: () => "accepted", end: () => {} };
  const config = factory.schema.parse({ check_interval: "1s", limit_mib: 10 });
  const processors = [1, 2].map(() => factory.create(config, testSettings({ clock }), next));
  for (const processor of processors) await processor.start();
  assert.equal(clock.timerCount, 1, "two pipelines look once");
  await clock.advance(1_000);
  for (const processor of processors) assert.equal(processor.consume(reading()), "refused");
  for (const processor of processors) await processor.shutdown(AbortSignal.abort());
  assert.equal(clock.timerCount, 0);
});
