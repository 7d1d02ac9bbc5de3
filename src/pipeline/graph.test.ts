// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { createNoopMeter } from "@opentelemetry/api";
import { pino } from "pino";
import { z } from "zod";
import { FakeClock } from "../clock/fake_clock.ts";
import type { Settings } from "../component/component.ts";
import type { Consumer, NoRoom } from "../component/consumer.ts";
import type { ExtensionRole, ExtensionUse } from "../component/extension_use.ts";
import type { Host } from "../component/host.ts";
import type { Statuses } from "../component/status.ts";
import { Interner } from "../metrics/interner.ts";
import type { Reading } from "../metrics/model.ts";
import { Graph } from "./graph.ts";
import { createHost } from "./host.ts";
import { pipelineCounters } from "./observe.ts";
import type { Blueprint, BlueprintPart, PipelineParts } from "./plan.ts";

const meter = createNoopMeter();
const interner = new Interner();
const schema = z.strictObject({});
const stability = "stable" as const;

function settings(id: string, host: Host): Settings {
  const build = { command: "test", description: "", version: "0" };
  return {
    id,
    logger: pino({ level: "silent" }),
    meter,
    clock: new FakeClock(),
    interner,
    host,
    build,
    env: {},
  };
}

function reading(key: string): Reading {
  const resource = { key, attributes: [] };
  return { resource, schema: interner.schema([]), values: new Float64Array(0), timeMs: 1, startMs: 0 };
}

type Pipelines = Readonly<Record<string, PipelineParts>>;
interface Change {
  readonly pipelines: Pipelines;
  /** The configs of components, by id. A component with another config is another one. */
  readonly configs?: Readonly<Record<string, unknown>>;
  readonly extensions?: readonly string[];
}

/** The extensions that a config of these tests names. */
function usesOf(config: unknown): readonly ExtensionUse[] {
  const { uses = [], role = "storage" } = config as {
    readonly uses?: readonly string[];
    readonly role?: ExtensionRole;
  };
  return uses.map((id) => ({ id, role, path: ["uses"] }));
}

/** Makes components that write into a log what happens to them. */
class Stage {
  readonly log: string[] = [];
  readonly inputs = new Map<string, Consumer>();
  /** The calls that fail, such as `start out`. */
  readonly broken = new Set<string>();
  /** Consumers that have no room. */
  readonly full = new Set<string>();
  /** Calls that end only when the promise resolves, named as in `broken`. */
  readonly slow = new Map<string, Promise<void>>();
  /** The statuses of the latest component with each id. */
  readonly statuses = new Map<string, Statuses>();
  readonly #behave: Record<string, () => void>;

  constructor(behave: Record<string, () => void>) {
    this.#behave = behave;
  }

  #component({ id, host }: Settings) {
    this.statuses.set(id, host.statuses);
    const act = (what: string, fault: string) => async () => {
      if (this.broken.has(`${what} ${id}`)) throw new Error(fault);
      await this.slow.get(`${what} ${id}`);
      this.log.push(`${what} ${id}`);
    };
    return {
      start: act("start", "port 1 is taken"),
      shutdown: act("shutdown", "no"),
      refresh: act("refresh", "no such file"),
    };
  }

  #consumer(id: string, next?: Consumer): Consumer {
    return {
      noRoom: (key) => (this.full.has(id) ? "queue_full" : next?.noRoom(key)),
      consume: (item) => {
        this.log.push(`${id} ${item.resource.key}`);
        this.#behave[id]?.();
        next?.consume(item);
      },
      end: (ended) => {
        this.log.push(`${id} end ${ended.resource.key}`);
        next?.end(ended);
      },
    };
  }

  readonly receivers = {
    schema,
    stability,
    create: (_config: unknown, settings: Settings, next: Consumer) => {
      this.inputs.set(settings.id, next);
      return this.#component(settings);
    },
  };
  readonly processors = {
    schema,
    stability,
    create: (_config: unknown, settings: Settings, next: Consumer) => ({
      ...this.#component(settings),
      ...this.#consumer(settings.id, next),
    }),
  };
  readonly exporters = {
    schema,
    stability,
    uses: usesOf,
    claims: (config: unknown) => (config as { claims?: string[] }).claims ?? [],
    create: (_config: unknown, settings: Settings) => ({
      ...this.#component(settings),
      ...this.#consumer(settings.id),
    }),
  };
  readonly extensions = {
    schema,
    stability,
    uses: usesOf,
    claims: (config: unknown) => (config as { claims?: string[] }).claims ?? [],
    create: (_config: unknown, settings: Settings) => this.#component(settings),
  };

  blueprint({ pipelines, configs = {}, extensions = ["ext"] }: Change): Blueprint {
    const parts = <F>(factory: F, ids: readonly string[]): Map<string, BlueprintPart<F>> =>
      new Map(ids.map((id) => [id, { id, factory, config: configs[id] ?? {} }]));
    const ids = (kind: keyof PipelineParts) => Object.values(pipelines).flatMap((one) => one[kind]);
    return {
      receivers: parts(this.receivers, ids("receivers")),
      processors: parts(this.processors, ids("processors")),
      exporters: parts(this.exporters, ids("exporters")),
      extensions: parts(this.extensions, extensions),
      service: { extensions, pipelines: new Map(Object.entries(pipelines)) },
    };
  }
}

/** Runs a graph of such components. Their calls are in `log`, and `inputs` has the consumer of each receiver. */
function scene(behave: Record<string, () => void> = {}) {
  const stage = new Stage(behave);
  const { log, inputs, broken, full, slow } = stage;
  const host = createHost(new FakeClock());
  const lost: string[] = [];
  const errors: string[] = [];
  const clock = new FakeClock();
  const graph = new Graph({
    clock,
    settings: (_kind, id) => settings(id, host),
    counters: {
      ...pipelineCounters(meter),
      exchanged: { add: (_points, attributes) => lost.push(String(attributes?.["otelcol.component"])) },
    },
    statuses: host.statuses,
    onError: (error) => errors.push(error.message),
  });
  return {
    log,
    errors,
    clock,
    inputs,
    broken,
    full,
    lost,
    slow,
    graph,
    statuses: host.statuses,
    unready: () => host.statuses.unreadyReasons(),
    stateOf: (id: string) => host.statuses.components().find((one) => one.id === id)?.state,
    /** The statuses of the component's latest instance. */
    statusesOf: (id: string) => stage.statuses.get(id) ?? assert.fail(id),
    /** Changes the graph to the pipelines, and returns the log of that. */
    async change(
      pipelines: Pipelines,
      configs: Readonly<Record<string, unknown>> = {},
      extensions: readonly string[] = ["ext"],
    ): Promise<string[]> {
      await graph.change(stage.blueprint({ pipelines, configs, extensions }), AbortSignal.timeout(1_000));
      return log.splice(0);
    },
    /** Sends a reading in, and returns the components that it passed. */
    send(key: string): string[] {
      inputs.get("in")?.consume(reading(key));
      return log.splice(0);
    },
    noRoom: (): NoRoom | undefined => inputs.get("in")?.noRoom("s1"),
  };
}

const ONE: Pipelines = { metrics: { receivers: ["in"], processors: ["p1", "p2"], exporters: ["out"] } };

test("extensions and consumers start before producers and stop after them", async () => {
  const { graph, change, log } = scene();
  assert.deepEqual(await change(ONE), ["start ext", "start out", "start p2", "start p1", "start in"]);
  assert.ok(await graph.shutdown(AbortSignal.timeout(1_000)));
  assert.deepEqual(log, ["shutdown in", "shutdown p1", "shutdown p2", "shutdown out", "shutdown ext"]);
});

test("a reading passes the processors in the order of the config and reaches every exporter", async () => {
  const { inputs, change, send, log } = scene();
  await change({ metrics: { receivers: ["in"], processors: ["p1", "p2"], exporters: ["a", "b"] } });
  assert.deepEqual(send("s1"), ["p1 s1", "p2 s1", "a s1", "b s1"]);
  inputs.get("in")?.end({ resource: { key: "s1", attributes: [] }, timeMs: 2 });
  assert.deepEqual(log, ["p1 end s1", "p2 end s1", "a end s1", "b end s1"]);
});

test("pipelines share a receiver and an exporter, and each has its own processor", async () => {
  const { graph, change, send } = scene();
  const parts = { receivers: ["in"], processors: ["p"], exporters: ["out"] };
  await change({ "metrics/1": parts, "metrics/2": parts });
  assert.deepEqual(send("s1"), ["p s1", "out s1", "p s1", "out s1"]);
  assert.equal(graph.keys.length, 5, "one extension, one exporter, two processors, one receiver");
});

test("there is room only if every exporter has room; a reading that comes all the same reaches all of them", async () => {
  const { change, send, full, noRoom } = scene();
  await change({
    metrics: { receivers: ["in"], processors: ["p1"], exporters: ["full", "ok"] },
    "metrics/2": { receivers: ["in"], processors: ["p2"], exporters: ["ok"] },
  });
  assert.equal(noRoom(), undefined);
  for (const id of ["full", "p2"]) {
    full.add(id);
    assert.equal(noRoom(), "queue_full", id);
    full.clear();
  }
  full.add("full");
  assert.deepEqual(send("s1").toSorted(), ["full s1", "ok s1", "ok s1", "p1 s1", "p2 s1"]);
});

test("an exporter that throws costs its own reading only", async () => {
  const { change, send } = scene({
    broken: () => {
      throw new Error("defect");
    },
  });
  await change({ metrics: { receivers: ["in"], processors: [], exporters: ["broken", "ok"] } });
  assert.deepEqual(send("s1"), ["broken s1", "ok s1"]);
});

test("a change keeps components that are the same, and stops an old one when the new one has started", async () => {
  const { change, send } = scene();
  await change(ONE);
  assert.deepEqual(await change(ONE), []);
  assert.deepEqual(await change(ONE, { p2: { new: true } }), ["start p2", "shutdown p2"]);
  assert.deepEqual(send("s1"), ["p1 s1", "p2 s1", "out s1"]);
  const more: Pipelines = { metrics: { receivers: ["in"], processors: ["p2"], exporters: ["out", "more"] } };
  assert.deepEqual(await change(more, { p2: { new: true } }), ["start more", "shutdown p1"]);
  assert.deepEqual(send("s2"), ["p2 s2", "out s2", "more s2"]);
  assert.deepEqual(await change(ONE, { p2: { new: true } }), ["start p1", "shutdown more"]);
  assert.deepEqual(send("s3"), ["p1 s3", "p2 s3", "out s3"]);
});

test("while a component with a claim is exchanged, there is no room, readings that come are counted as lost, and ends wait", async () => {
  const { change, send, log, inputs, slow, noRoom, lost } = scene();
  const page = (path: string) => ({ out: { claims: ["port 1"], path } });
  await change(ONE, page("/a"));
  const drained = Promise.withResolvers<void>();
  slow.set("shutdown out", drained.promise);
  const changed = change(ONE, page("/b"));
  await setImmediate();
  assert.equal(noRoom(), "exchange");
  assert.deepEqual(send("s1"), ["p1 s1", "p2 s1"]);
  assert.deepEqual(lost, ["exporter:out"]);
  inputs.get("in")?.end({ resource: { key: "s1", attributes: [] }, timeMs: 2 });
  assert.deepEqual(log.splice(0), ["p1 end s1", "p2 end s1"]);
  drained.resolve();
  assert.deepEqual(await changed, ["shutdown out", "start out", "out end s1"]);
  assert.equal(noRoom(), undefined);
});

test("an exporter that is replaced drains while the new one runs, so that a peer that hangs stops nobody", async () => {
  const { change, send, slow, noRoom } = scene();
  await change(ONE);
  slow.set("shutdown out", new Promise(() => {}));
  void change(ONE, { out: { new: true } });
  await setImmediate();
  assert.equal(noRoom(), undefined);
  assert.deepEqual(send("s1"), ["start out", "p1 s1", "p2 s1", "out s1"]);
});

test("open resources of a removed receiver end with it, and those of a replaced one after a minute without readings", async () => {
  const { change, send, log, clock } = scene();
  await change(ONE);
  for (const key of ["s1", "s2"]) send(key);
  const others = { in: { roots: "others" } };
  await change(ONE, others);
  send("s1");
  await clock.advance(59_999);
  assert.deepEqual(log, []);
  await clock.advance(1);
  assert.deepEqual(log.splice(0), ["p1 end s2", "p2 end s2", "out end s2"]);
  const renamed: Pipelines = {
    metrics: { receivers: ["in2"], processors: ["p1", "p2"], exporters: ["out"] },
  };
  assert.deepEqual(await change(renamed, others), [
    "start in2",
    "shutdown in",
    "p1 end s1",
    "p2 end s1",
    "out end s1",
  ]);
});

test("an exporter is exchanged with the extension that it uses", async () => {
  const { change } = scene();
  const queue = { out: { uses: ["ext"] } };
  await change(ONE, queue);
  assert.deepEqual(await change(ONE, { ...queue, ext: {} }), []);
  const storage = scene();
  await storage.change(ONE, queue);
  storage.broken.add("none");
  assert.deepEqual(await storage.change(ONE, { out: { uses: ["other"] } }), ["start out", "shutdown out"]);
});

test("if a change fails, the components from before run again", async () => {
  const { change, send, broken, errors } = scene();
  await change(ONE);
  broken.add("start bad");
  const bad: Pipelines = { metrics: { receivers: ["in"], processors: ["p3"], exporters: ["new", "bad"] } };
  await assert.rejects(change(bad), { message: 'cannot start exporter "bad": port 1 is taken' });
  assert.deepEqual(errors, []);
  const log = send("s1");
  // No component from before has been touched.
  assert.deepEqual(log, [
    "start new",
    "shutdown p3",
    "shutdown bad",
    "shutdown new",
    "p1 s1",
    "p2 s1",
    "out s1",
  ]);
  assert.deepEqual(await change(ONE), []);
});

test("a component that claims what an old one has starts after it; if it cannot, the old one starts again", async () => {
  const { change, send, broken } = scene();
  const page = (path: string) => ({ out: { claims: ["port 1"], path } });
  await change(ONE, page("/a"));
  assert.deepEqual(await change(ONE, page("/b")), ["shutdown out", "start out"]);
  broken.add("start other");
  const other: Pipelines = { metrics: { receivers: ["in"], processors: ["p1"], exporters: ["other"] } };
  const configs = { other: { claims: ["port 1"] }, out: page("/b").out };
  await assert.rejects(change(other, configs), /cannot start exporter "other": port 1 is taken/);
  const log = send("s1");
  assert.deepEqual(log.slice(0, 3), ["shutdown out", "shutdown other", "start out"]);
  assert.deepEqual(log.slice(-3), ["p1 s1", "p2 s1", "out s1"]);
});

test("an exporter stops before its storage is replaced by another with the same directory, and starts after that", async () => {
  const { change } = scene();
  const directory = { claims: ["directory"] };
  const queue = (storage: string) => ({ uses: [storage] });
  await change(ONE, { ext: directory, out: queue("ext") });
  const log = await change(ONE, { ext2: directory, out: queue("ext2") }, ["ext2"]);
  assert.deepEqual(log, ["shutdown out", "shutdown ext", "start ext2", "start out"]);
});

test("an extension is exchanged together with all components that use it, and several components can use one authenticator", async () => {
  const { change } = scene();
  const all = ["setter", "token"];
  const configs = { out: { uses: ["setter"], role: "http_authenticator" }, setter: { uses: ["token"] } };
  await change(ONE, configs, all);
  assert.deepEqual(await change(ONE, { ...configs, token: { new: true } }, all), [
    "shutdown out",
    "shutdown token",
    "shutdown setter",
    "start setter",
    "start token",
    "start out",
  ]);
  const other = { ...configs, out: { ...configs.out, new: true }, token: { new: true } };
  assert.deepEqual(await change(ONE, other, all), ["start out", "shutdown out"]);
});

test("when an exporter is removed, its readings go to those that stay and to new ones", async () => {
  const { change, send, slow } = scene();
  await change(ONE);
  slow.set("shutdown out", new Promise(() => {}));
  void change({ metrics: { receivers: ["in"], processors: ["p1"], exporters: ["new"] } });
  await setImmediate();
  const log = send("s1");
  assert.deepEqual(log.slice(-2), ["p1 s1", "new s1"]);
});

test("an exporter that hangs does not use up the time of the others at shutdown", async () => {
  const { change, graph, log, slow } = scene();
  await change({ metrics: { receivers: ["in"], processors: [], exporters: ["a", "b", "c"] } });
  slow.set("shutdown b", new Promise(() => {}));
  void graph.shutdown(AbortSignal.timeout(1_000));
  await setImmediate();
  assert.deepEqual(log, ["shutdown in", "shutdown c", "shutdown a"]);
});

test("a first start that fails names the component and leaves nothing running", async () => {
  const { change, broken, log, graph } = scene();
  broken.add("start p1");
  await assert.rejects(change(ONE), {
    message: 'cannot start processor "p1" of pipeline "metrics": port 1 is taken',
  });
  assert.deepEqual(log, [
    ...["start ext", "start out", "start p2"],
    ...["shutdown in", "shutdown p1", "shutdown p2", "shutdown out", "shutdown ext"],
  ]);
  assert.deepEqual(graph.keys, []);
});

test("a shutdown or a refresh that fails does not keep the other components from theirs", async () => {
  const { change, broken, log, graph, errors } = scene();
  await change({ metrics: { receivers: ["in"], processors: [], exporters: ["out"] } });
  broken.add("shutdown in").add("refresh out");
  const failures = await graph.refresh();
  assert.deepEqual(
    failures.map(({ message }) => message),
    ['exporter "out": no such file'],
  );
  assert.ok(!(await graph.shutdown(AbortSignal.timeout(1_000))));
  assert.deepEqual(errors, ['cannot shut down receiver "in": no']);
  assert.deepEqual(log, ["refresh ext", "refresh in", "shutdown out", "shutdown ext"]);
});

test("statuses follow starts, stops and what components report between", async () => {
  const { change, graph, statuses } = scene();
  const state = (id: string) => statuses.components().find((one) => one.id === id)?.state;
  await change(ONE);
  assert.deepEqual(
    [...(statuses.pipelines().get("metrics") ?? [])],
    ["receiver:in", "processor:p1", "processor:p2", "exporter:out"],
  );
  assert.equal(state("out"), "ok");
  statuses.report("exporter", "out", "recoverable_error", "no connection");
  assert.equal(state("out"), "recoverable_error");
  await change({ metrics: { receivers: ["in"], processors: [], exporters: ["out"] } });
  assert.equal(state("out"), "recoverable_error", "it goes on");
  assert.equal(state("p1"), undefined, "it is gone");
  await graph.shutdown(AbortSignal.timeout(1_000));
  statuses.report("exporter", "out", "ok");
  assert.equal(state("out"), "stopped");
});

test("the agent is ready from the first start to the shutdown, also after a reload with faults", async () => {
  const { graph, change, broken, unready, slow } = scene();
  assert.deepEqual(unready(), ["the agent is starting"]);
  broken.add("start out");
  await assert.rejects(change(ONE));
  assert.deepEqual(unready(), ["the agent is starting"]);
  broken.clear();
  await change(ONE);
  assert.deepEqual(unready(), []);
  broken.add("start new");
  const more: Pipelines = { metrics: { receivers: ["in"], processors: ["p1"], exporters: ["out", "new"] } };
  await assert.rejects(change(more));
  assert.deepEqual(unready(), []);
  slow.set("shutdown out", new Promise(() => {}));
  void graph.shutdown(AbortSignal.timeout(1_000));
  assert.deepEqual(unready(), ["the agent is stopping"]);
});

test("while a reload starts components, or exchanges those with claims, the agent is not ready", async () => {
  const { change, slow, unready } = scene();
  const page = (path: string) => ({ out: { claims: ["port 1"], path } });
  await change(ONE, page("/a"));
  for (const step of ["shutdown out", "start out"]) {
    const done = Promise.withResolvers<void>();
    slow.set(step, done.promise);
    const changed = change(ONE, page(step));
    await setImmediate();
    assert.deepEqual(unready(), ['exporter "out": it has not started yet'], step);
    done.resolve();
    await changed;
    assert.deepEqual(unready(), [], step);
  }
  slow.set("shutdown out", new Promise(() => {}));
  void change(ONE, { out: { other: true } });
  await setImmediate();
  assert.deepEqual(unready(), [], "what drains beside its successor holds nothing");
});

test("an instance's holds and reports end when it is exchanged or removed, or cannot start", async () => {
  const { change, broken, unready, statusesOf, stateOf } = scene();
  await change(ONE);
  const old = statusesOf("out");
  old.holdReadiness("exporter", "out", "its queue is full");
  assert.deepEqual(unready(), ['exporter "out": its queue is full']);
  await change(ONE, { out: { new: true } });
  assert.deepEqual(unready(), []);
  old.holdReadiness("exporter", "out", "its queue is full");
  old.report("exporter", "out", "permanent_error", "401");
  assert.deepEqual([unready(), stateOf("out")], [[], "ok"]);
  statusesOf("out").report("exporter", "out", "recoverable_error", "no connection");
  assert.equal(stateOf("out"), "recoverable_error");
  statusesOf("in").holdReadiness("receiver", "in", "the roots have not been looked at");
  const other: Pipelines = { metrics: { ...ONE["metrics"], receivers: ["in2"] } as PipelineParts };
  broken.add("start bad");
  await assert.rejects(change({ ...other, bad: { receivers: ["in"], processors: [], exporters: ["bad"] } }));
  assert.equal(unready().length, 1, "the receiver is still there");
  await change(other, { out: { new: true } });
  assert.deepEqual(unready(), []);
});

test("a component that cannot start again after a failed change keeps the agent from being ready until a reload starts it", async () => {
  const { change, broken, unready, send, stateOf, noRoom } = scene();
  const page = (path: string) => ({ out: { claims: ["port 1"], path } });
  await change(ONE, page("/a"));
  broken.add("start out");
  await assert.rejects(change(ONE, page("/b")), /port 1 is taken; and then: cannot start exporter "out"/);
  assert.deepEqual(unready(), [
    'cannot start exporter "out": port 1 is taken; reload a configuration with which it can start',
  ]);
  assert.equal(stateOf("out"), "permanent_error");
  assert.equal(noRoom(), "exchange");
  broken.clear();
  send("s1");
  assert.deepEqual(await change(ONE, page("/a")), ["start out"]);
  assert.deepEqual([unready(), stateOf("out"), noRoom()], [[], "ok", undefined]);
  assert.deepEqual(send("s2"), ["p1 s2", "p2 s2", "out s2"]);
});
