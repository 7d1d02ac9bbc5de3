// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { countingMeter } from "../../../test/kit/component/counters.ts";
import { testSettings } from "../../../test/kit/component/settings.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import type { Consumer, NoRoom } from "../../component/consumer.ts";
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

test("while memory is short there is no room; readings under way pass, and so do ends", async () => {
  const clock = new FakeClock();
  const { meter, sum } = countingMeter();
  const settings = testSettings({ id: "memory_limiter", meter, clock });
  const memory = { used: 50 };
  const monitor = new MemoryMonitor({
    ...settings,
    config: memoryLimiterSchema.parse({ check_interval: "1s", limit_mib: 100 }),
    memory: {
      read: () => ({
        usedBytes: memory.used * MIB,
        heldBytes: memory.used * MIB,
        availableBytes: 1_000 * MIB,
        reachBytes: 1_000 * MIB,
      }),
      collect: () => false,
    },
  });
  const passed: string[] = [];
  const behind: { noRoom: NoRoom | undefined } = { noRoom: undefined };
  const next: Consumer = {
    noRoom: () => behind.noRoom,
    consume: ({ resource }) => passed.push(resource.key),
    end: ({ resource }) => passed.push(`end of ${resource.key}`),
  };
  const processor = new MemoryLimiterProcessor(monitor, settings, next);
  const given = reading();
  await processor.start();
  assert.equal(processor.noRoom("s1"), undefined);
  memory.used = 90;
  await clock.advance(1_000);
  assert.equal(processor.noRoom("s1"), "memory");
  processor.consume(given);
  processor.end({ resource: given.resource, timeMs: 2 });
  assert.deepEqual(passed, ["s1", "end of s1"]);
  assert.equal(sum("otelcol_processor_memory_limiter_accepted_metric_points"), 3);
  memory.used = 50;
  await clock.advance(1_000);
  behind.noRoom = "queue_full";
  assert.equal(processor.noRoom("s1"), "queue_full", "it asks those behind it");
  await processor.shutdown();
  await processor.shutdown();
  assert.equal(clock.timerCount, 0);
});

test("if the process is over the limit already, there is no room after the first check", async () => {
  const clock = new FakeClock();
  const next: Consumer = { noRoom: () => undefined, consume: () => {}, end: () => {} };
  const config = factory.schema.parse({ check_interval: "1s", limit_mib: 10 });
  const processors = [1, 2].map(() => factory.create(config, testSettings({ clock }), next));
  for (const processor of processors) await processor.start();
  assert.equal(clock.timerCount, 1, "two pipelines look once");
  await clock.advance(1_000);
  for (const processor of processors) assert.equal(processor.noRoom("s1"), "memory");
  for (const processor of processors) await processor.shutdown(AbortSignal.abort());
  assert.equal(clock.timerCount, 0);
});
