import assert from "node:assert/strict";
import { test } from "node:test";
import { createNoopMeter } from "@opentelemetry/api";
import { pino } from "pino";
import { z } from "zod";
import { FakeClock } from "../clock/fake_clock.ts";
import type { Consumer, Settings, Verdict } from "../component/component.ts";
import { Interner } from "../metrics/interner.ts";
import type { Reading } from "../metrics/model.ts";
import { type Blueprint, buildGraph, type PipelineParts, shutdownGraph, startGraph } from "./graph.ts";
import { createHost } from "./host.ts";
import { processorCounters } from "./observe.ts";

const meter = createNoopMeter();
const interner = new Interner();
const schema = z.strictObject({});
const stability = "stable" as const;

function settings(id: string): Settings {
  const build = { command: "test", description: "", version: "0" };
  const clock = new FakeClock();
  return { id, logger: pino({ level: "silent" }), meter, clock, interner, host: createHost(), build };
}

function reading(key: string): Reading {
  const resource = { key, attributes: [] };
  return { resource, schema: interner.schema([]), values: new Float64Array(0), timeMs: 1, startMs: 0 };
}

/** A graph whose components write what happens to them into `log`. */
function graphOf(
  pipelines: Readonly<Record<string, PipelineParts>>,
  behave: Record<string, () => Verdict> = {},
) {
  const log: string[] = [];
  const inputs = new Map<string, Consumer>();
  const lifecycle = (id: string) => ({
    start: async () => void log.push(`start ${id}`),
    shutdown: async () => void log.push(`shutdown ${id}`),
  });
  const pass = (id: string, next?: Consumer): Consumer => ({
    consume(item) {
      log.push(`${id} ${item.resource.key}`);
      return (behave[id] ?? (() => next?.consume(item) ?? "accepted"))();
    },
    end(ended) {
      log.push(`${id} end ${ended.resource.key}`);
      next?.end(ended);
    },
  });
  const ids = (pick: (parts: PipelineParts) => readonly string[]) => [
    ...new Set(Object.values(pipelines).flatMap(pick)),
  ];
  const parts = <F>(names: readonly string[], factory: F) =>
    new Map(names.map((id) => [id, { id, factory, config: {} }]));
  const blueprint: Blueprint = {
    receivers: parts(
      ids((parts) => parts.receivers),
      {
        schema,
        stability,
        create(_config, { id }, next) {
          inputs.set(id, next);
          return lifecycle(id);
        },
      },
    ),
    processors: parts(
      ids((parts) => parts.processors),
      {
        schema,
        stability,
        create: (_config, { id }, next) => ({ ...lifecycle(id), ...pass(id, next) }),
      },
    ),
    exporters: parts(
      ids((parts) => parts.exporters),
      {
        schema,
        stability,
        create: (_config, { id }) => ({ ...lifecycle(id), ...pass(id) }),
      },
    ),
    extensions: parts(["ext"], { schema, stability, create: (_config, { id }) => lifecycle(id) }),
    service: { extensions: ["ext"], pipelines: new Map(Object.entries(pipelines)) },
  };
  const options = {
    settings: (_kind: string, id: string) => settings(id),
    counters: processorCounters(meter),
  };
  return { log, inputs, graph: buildGraph(blueprint, options) };
}

test("extensions and consumers start before producers and stop after them", async () => {
  const { log, graph } = graphOf({
    metrics: { receivers: ["in"], processors: ["p1", "p2"], exporters: ["out"] },
  });
  await startGraph(graph);
  assert.deepEqual(log, ["start ext", "start out", "start p2", "start p1", "start in"]);
  log.length = 0;
  assert.deepEqual(await shutdownGraph(graph, AbortSignal.timeout(1_000)), []);
  assert.deepEqual(log, ["shutdown in", "shutdown p1", "shutdown p2", "shutdown out", "shutdown ext"]);
});

test("a reading passes the processors in the order of the config and reaches every exporter", () => {
  const { log, inputs } = graphOf({
    metrics: { receivers: ["in"], processors: ["p1", "p2"], exporters: ["a", "b"] },
  });
  assert.equal(inputs.get("in")?.consume(reading("s1")), "accepted");
  inputs.get("in")?.end({ resource: { key: "s1", attributes: [] }, timeMs: 2 });
  const ends = ["p1 end s1", "p2 end s1", "a end s1", "b end s1"];
  assert.deepEqual(log, ["p1 s1", "p2 s1", "a s1", "b s1", ...ends]);
});

test("pipelines share a receiver and an exporter, and each has its own processor", () => {
  const { log, inputs, graph } = graphOf({
    "metrics/1": { receivers: ["in"], processors: ["p"], exporters: ["out"] },
    "metrics/2": { receivers: ["in"], processors: ["p"], exporters: ["out"] },
  });
  inputs.get("in")?.consume(reading("s1"));
  assert.deepEqual(log, ["p s1", "out s1", "p s1", "out s1"]);
  assert.equal(graph.nodes.length, 5, "one extension, one exporter, two processors, one receiver");
});

test("a reading that one exporter refuses is accepted where another one takes it, which has it all the same", () => {
  const { log, inputs } = graphOf(
    { metrics: { receivers: ["in"], processors: [], exporters: ["full", "ok"] } },
    { full: () => "refused" },
  );
  assert.equal(inputs.get("in")?.consume(reading("s1")), "accepted");
  assert.deepEqual(log, ["full s1", "ok s1"]);
});

test("an exporter that throws costs its own reading only", () => {
  const { log, inputs } = graphOf(
    { metrics: { receivers: ["in"], processors: [], exporters: ["broken", "ok"] } },
    {
      broken: () => {
        throw new Error("defect");
      },
    },
  );
  assert.equal(inputs.get("in")?.consume(reading("s1")), "accepted");
  assert.deepEqual(log, ["broken s1", "ok s1"]);
});

test("a component that cannot start is named in the error", async () => {
  const node = (name: string, start: () => Promise<void>) => ({
    name,
    component: { start, shutdown: async () => {} },
  });
  const graph = { nodes: [node('exporter "x"', () => Promise.reject(new Error("port 1 is taken")))] };
  await assert.rejects(startGraph(graph), { message: 'cannot start exporter "x": port 1 is taken' });
});

test("a shutdown that fails does not keep the others from stopping", async () => {
  const stopped: string[] = [];
  const node = (name: string, fails: boolean) => ({
    name,
    component: {
      start: async () => {},
      shutdown: async () => {
        if (fails) throw new Error("no");
        stopped.push(name);
      },
    },
  });
  const failures = await shutdownGraph(
    { nodes: [node("a", false), node("b", true)] },
    AbortSignal.timeout(1_000),
  );
  assert.deepEqual(stopped, ["a"]);
  assert.deepEqual(
    failures.map((failure) => failure.message),
    ["cannot shut down b: no"],
  );
});
