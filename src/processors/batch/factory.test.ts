// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { recordedLogger } from "../../../test/kit/component/logs.ts";
import { testSettings } from "../../../test/kit/component/settings.ts";
import type { Consumer } from "../../component/consumer.ts";
import { loadConfig } from "../../config/load.ts";
import { type QueueConfig, queueSchema } from "../../delivery/config.ts";
import type { Ended, Reading } from "../../metrics/model.ts";
import { registry } from "../../registry.ts";
import { factory } from "./factory.ts";

/** A processor, what came through it, and what it logged. */
function batching(input: object) {
  const { logger, lines } = recordedLogger();
  const passed: (Reading | Ended)[] = [];
  const next: Consumer = {
    noRoom: () => "memory",
    consume: (reading) => passed.push(reading),
    end: (ended) => passed.push(ended),
  };
  const settings = testSettings({ logger });
  return { processor: factory.create(factory.schema.parse(input), settings, next), passed, lines };
}

const RESOURCE = { key: "s1", attributes: [] };
const READING: Reading = {
  resource: RESOURCE,
  schema: { families: [], offsets: [], width: 0 },
  values: new Float64Array(0),
  timeMs: 1,
  startMs: 0,
};

test("readings and ends pass as they are, and so does the question for room", async () => {
  const { processor, passed } = batching({});
  await processor.start();
  assert.equal(processor.noRoom("s1"), "memory");
  processor.consume(READING);
  const ended = { resource: RESOURCE, timeMs: 2 };
  processor.end(ended);
  assert.equal(passed[0], READING);
  assert.equal(passed[1], ended);
});

test("it says once what to write in its place, which exporters take", async () => {
  const check = async (input: object, wanted: string): Promise<void> => {
    const { processor, lines } = batching(input);
    await processor.start();
    processor.consume(READING);
    assert.equal(lines.length, 1);
    assert.match(String(lines[0]?.["msg"]), /deprecated/);
    assert.equal(lines[0]?.["instead"], wanted);
    assert.equal(queueSchema.safeParse(parse(wanted).sending_queue).success, true);
  };
  await check({}, "sending_queue: {batch: {flush_timeout: 200ms, min_size: 8192}}");
  await check(
    { timeout: "5s", send_batch_size: 100, send_batch_max_size: 200 },
    "sending_queue: {batch: {flush_timeout: 5s, min_size: 100, max_size: 200}}",
  );
  await check(
    { timeout: "0s", send_batch_size: 0, metadata_keys: ["a"], metadata_cardinality_limit: 9 },
    "sending_queue: {batch: {flush_timeout: 1ms, min_size: 0}}",
  );
});

/** The batching of each exporter, by id, of the config that this text is. */
async function batchesOf(text: string): Promise<Record<string, unknown>> {
  const readFile = (): Promise<Uint8Array> => Promise.resolve(Buffer.from(text));
  const loaded = await loadConfig({ uris: ["f"], sets: [], env: {}, readFile }, registry);
  assert.ok(loaded.ok, JSON.stringify(loaded));
  return Object.fromEntries(
    Array.from(loaded.config.exporters, ([id, { config }]) => {
      const { sendingQueue } = config as { sendingQueue?: QueueConfig };
      return [id, sendingQueue?.batch];
    }),
  );
}

test("its options are those of its pipelines' exporters, where these say nothing", async () => {
  const batches = await batchesOf(`
receivers: {kata: }
processors:
  batch: {timeout: 3s, send_batch_size: 100, send_batch_max_size: 500}
  batch/soon: {timeout: 0s, send_batch_max_size: 0}
exporters:
  debug:
  otlp_grpc: {endpoint: "h:1"}
  otlphttp/own: {endpoint: "http://h:1", sending_queue: {batch: {flush_timeout: 7s}}}
  otlp/other: {endpoint: "h:1"}
  otlp/without: {endpoint: "h:1"}
  file: {path: /f}
service:
  pipelines:
    metrics:
      {receivers: [kata], processors: [batch], exporters: [debug, otlp_grpc, otlphttp/own, file]}
    metrics/soon: {receivers: [kata], processors: [batch/soon], exporters: [otlp/other]}
    metrics/without: {receivers: [kata], exporters: [otlp/without]}
`);
  const told = { flushTimeoutMs: 3_000, min: { items: 100 }, maxBytes: 4_000_000, maxItems: 500 };
  const { batch } = queueSchema.parse({});
  assert.deepEqual(batches, {
    debug: undefined,
    otlp_grpc: told,
    "otlphttp/own": { ...batch, flushTimeoutMs: 7_000 },
    "otlp/other": { ...batch, flushTimeoutMs: 1 },
    "otlp/without": batch,
    file: told,
  });
});

test("faults are in the Collector's words", () => {
  const check = (input: object, wanted: string): void => {
    const [issue] = factory.schema.safeParse(input).error?.issues ?? [];
    assert.equal(`${issue?.path.join("::")}: ${issue?.message}`, wanted);
  };
  check(
    { send_batch_max_size: 100 },
    "send_batch_max_size: send_batch_max_size must be greater or equal to send_batch_size",
  );
  check(
    { metadata_keys: ["Tenant", "x", "tenant"] },
    'metadata_keys: duplicate entry in metadata_keys: "tenant" (case-insensitive)',
  );
  check({ timeout: "-1s" }, "timeout: must be at least 0s");
  check({ send_batch_size: -1 }, "send_batch_size: Too small: expected number to be >=0");
});
