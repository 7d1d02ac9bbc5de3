// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { test } from "node:test";
import { createNoopMeter } from "@opentelemetry/api";
import { pino } from "pino";
import { FakeClock } from "../../clock/fake_clock.ts";
import { Interner } from "../../metrics/interner.ts";
import type { Reading } from "../../metrics/model.ts";
import { createHost } from "../../pipeline/host.ts";
import { factory } from "./factory.ts";

const interner = new Interner();

function sample(): Reading {
  const point = { attributes: [{ key: "item", value: "vmrss" }], bounds: [], boundTexts: [] };
  const gauge = interner.family({ name: "mem", kind: "gauge", unit: "By", help: "Memory.", points: [point] });
  const histogram = interner.family({
    name: "rpc",
    kind: "histogram",
    unit: "",
    help: "",
    points: [{ attributes: [], bounds: [1, 2], boundTexts: ["1", "2"] }],
  });
  return {
    resource: { key: "kata/s1", attributes: [{ key: "kata.sandbox.id", value: "s1" }] },
    schema: interner.schema([gauge, histogram]),
    values: Float64Array.of(7, 1, 3, 4, 9.5, 4),
    timeMs: 1_700_000_000_000,
    startMs: 1_699_999_000_000,
  };
}

function debugging(input: unknown) {
  let text = "";
  const output = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  const clock = new FakeClock();
  const build = { command: "test", description: "", version: "0" };
  const logger = pino({ base: null, timestamp: false }, output);
  const settings = {
    id: "debug",
    logger,
    meter: createNoopMeter(),
    clock,
    interner,
    host: createHost(),
    build,
    env: {},
  };
  const exporter = factory.create(factory.schema.parse(input), settings);
  return {
    exporter,
    clock,
    messages: () =>
      text
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
  };
}

test("basic writes one line of counts per reading", () => {
  const { exporter, messages } = debugging({});
  exporter.consume(sample());
  const [line] = messages();
  assert.equal(line.msg, "Metrics");
  assert.equal(line["data points"], 2);
  assert.equal(line.metrics, 2);
});

test("normal writes a line per data point, histograms with their parts", () => {
  const { exporter, messages } = debugging({ verbosity: "normal" });
  exporter.consume(sample());
  assert.equal(messages()[0].msg, "Metrics\nmem{item=vmrss} 7\nrpc count=4 sum=9.5 le1=1 le2=3");
});

test("detailed writes the resource, the descriptors and the times", () => {
  const { exporter, messages } = debugging({ verbosity: "detailed" });
  exporter.consume(sample());
  const { msg } = messages()[0];
  for (const part of [
    "kata.sandbox.id: s1",
    "Name: mem",
    "Unit: By",
    "DataType: histogram",
    "2023-11-14T22:13:20",
  ]) {
    assert.ok(msg.includes(part), part);
  }
});

test("past the initial messages of a second only every n-th is written", async () => {
  const { exporter, clock, messages } = debugging({ sampling_initial: 1, sampling_thereafter: 3 });
  for (let i = 0; i < 7; i++) exporter.consume(sample());
  assert.equal(messages().length, 3, "the first, the second (0th past it) and the fifth");
  await clock.advance(1_000);
  exporter.consume(sample());
  assert.equal(messages().length, 4);
});

test("without the internal logger it writes to the files named", async () => {
  const folder = mkdtempSync(join(tmpdir(), "debug-"));
  try {
    const path = join(folder, "out.txt");
    const { exporter, messages } = debugging({ use_internal_logger: false, output_paths: [path] });
    await exporter.start();
    exporter.consume(sample());
    await exporter.shutdown(AbortSignal.timeout(1_000));
    assert.match(readFileSync(path, "utf8"), /^Metrics\t\{"resource":"kata\/s1"/);
    assert.deepEqual(messages(), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
