// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { pino } from "pino";
import { z } from "zod";
import { FakeClock } from "../../src/clock/fake_clock.ts";
import type { Component } from "../../src/component/component.ts";
import type { Consumer, NoRoom } from "../../src/component/consumer.ts";
import type { ReceiverFactory } from "../../src/component/factory.ts";
import { Interner } from "../../src/metrics/interner.ts";
import type { Reading } from "../../src/metrics/model.ts";
import { fanOut } from "../../src/pipeline/fan_out.ts";
import { forward } from "../../src/pipeline/forward.ts";
import { Graph } from "../../src/pipeline/graph.ts";
import { guard } from "../../src/pipeline/guard.ts";
import { createHost } from "../../src/pipeline/host.ts";
import { counted, pipelineCounters } from "../../src/pipeline/observe.ts";
import type { Blueprint } from "../../src/pipeline/plan.ts";
import { Relay } from "../../src/pipeline/relay.ts";
import { registry } from "../../src/registry.ts";
import { countingMeter } from "../kit/component/counters.ts";
import { recordedLogger } from "../kit/component/logs.ts";
import { testSettings } from "../kit/component/settings.ts";
import { freePort } from "../kit/free_port.ts";

// These tests hold every wrapper of the pipeline, and every component that consumes, to the contract of component/consumer.ts.

const interner = new Interner();
const POINTS = 3;

function reading(key: string, timeMs: number): Reading {
  const points = Array.from({ length: POINTS }, (_, index) => ({
    attributes: [{ key: "item", value: String(index) }],
    bounds: [],
    boundTexts: [],
  }));
  const family = interner.family({ name: "kata_guest_load", kind: "gauge", unit: "", help: "Load.", points });
  const resource = { key, attributes: [{ key: "kata.sandbox.id", value: key }] };
  return {
    resource,
    schema: interner.schema([family]),
    values: new Float64Array(POINTS),
    timeMs,
    startMs: 0,
  };
}

/** A consumer that takes everything and records it in order. The test says whether it has room. */
class End implements Consumer {
  readonly seen: string[] = [];
  room: NoRoom | undefined;
  asked = 0;

  noRoom(): NoRoom | undefined {
    this.asked++;
    return this.room;
  }

  consume({ resource, timeMs }: Reading): void {
    this.seen.push(`${resource.key}@${timeMs}`);
  }

  end({ resource }: { readonly resource: { readonly key: string } }): void {
    this.seen.push(`end ${resource.key}`);
  }
}

const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constantFrom("consume" as const, "end" as const), key: fc.constantFrom("a", "b") }),
    fc.record({ do: fc.constantFrom("fill" as const, "free" as const) }),
    fc.record({ do: fc.constantFrom("connect" as const, "disconnect" as const) }),
  ),
  { maxLength: 60 },
);

const logger = pino({ level: "silent" });
const none = countingMeter().meter.createCounter("none");
const WRAPPERS: Readonly<Record<string, (target: Consumer) => Consumer>> = {
  forward: (target) => forward(target, {}),
  guard: (target) => guard(target, logger),
  counted: (target) => counted(target, none, {}),
  "fan out": (target) => fanOut([target]),
  "all of them": (target) => fanOut([guard(counted(forward(target, {}), none, {}), logger)]),
};

for (const [name, wrap] of Object.entries(WRAPPERS)) {
  test(`wrapper ${name}: hands on everything in order, and asks its target whether there is room`, () => {
    fc.assert(
      fc.property(steps, (schedule) => {
        const end = new End();
        const wrapped = wrap(end);
        const sent: string[] = [];
        for (const [timeMs, step] of schedule.entries()) {
          if (step.do === "consume") {
            wrapped.consume(reading(step.key, timeMs));
            sent.push(`${step.key}@${timeMs}`);
          } else if (step.do === "end") {
            wrapped.end({ resource: reading(step.key, timeMs).resource, timeMs });
            sent.push(`end ${step.key}`);
          } else end.room = step.do === "fill" ? "queue_full" : undefined;
          assert.equal(wrapped.noRoom("a"), end.room);
          assert.deepEqual(end.seen, sent);
        }
      }),
    );
  });
}

test("wrapper guard: never throws where its target does, says that there is room, and logs each defect", () => {
  const defect = (): never => {
    throw new Error("defect");
  };
  const { logger: recorded, lines } = recordedLogger();
  const other = new End();
  const guarded = guard({ noRoom: defect, consume: defect, end: defect }, recorded);
  const both = fanOut([guarded, guard(other, recorded)]);
  assert.equal(both.noRoom("a"), undefined);
  both.consume(reading("a", 1));
  both.end({ resource: reading("a", 1).resource, timeMs: 2 });
  assert.deepEqual(other.seen, ["a@1", "end a"], "the one next to it gets everything");
  assert.deepEqual(
    lines.map(({ msg }) => String(msg).startsWith("BUG: ")),
    [true, true, true],
  );
});

test("relay: has no room while it has no target, reports each reading that it loses, and loses no end", () => {
  fc.assert(
    fc.property(steps, (schedule) => {
      const lost: string[] = [];
      const relay = new Relay(({ resource, timeMs }) => lost.push(`${resource.key}@${timeMs}`));
      const end = new End();
      let isConnected = false;
      const sent: string[] = [];
      for (const [timeMs, step] of schedule.entries()) {
        if (step.do === "connect") relay.connect(end);
        else if (step.do === "disconnect") relay.disconnect();
        else if (step.do === "consume") relay.consume(reading(step.key, timeMs));
        else if (step.do === "end") relay.end({ resource: reading(step.key, timeMs).resource, timeMs });
        else end.room = step.do === "fill" ? "memory" : undefined;
        if (step.do === "connect" || step.do === "disconnect") isConnected = step.do === "connect";
        if (step.do === "consume" && isConnected) sent.push(`${step.key}@${timeMs}`);
        assert.equal(relay.noRoom("a"), isConnected ? end.room : "exchange");
      }
      relay.connect(end);
      assert.deepEqual(
        end.seen.filter((one) => !one.startsWith("end")),
        sent,
      );
      const consumed = schedule.filter((step) => step.do === "consume").length;
      assert.equal(sent.length + lost.length, consumed, "every reading that is not handed on is reported");
      const ends = schedule.filter((step) => step.do === "end").length;
      assert.equal(end.seen.filter((one) => one.startsWith("end")).length, ends);
    }),
  );
});

test("fan out: asks its consumers until one has no room, and gives everything to all of them", () => {
  const [one, other] = [new End(), new End()];
  const out = fanOut([one, other]);
  other.room = "result_pending";
  assert.equal(out.noRoom("a"), "result_pending");
  out.consume(reading("a", 1));
  assert.deepEqual([one.seen, other.seen], [["a@1"], ["a@1"]]);
  assert.equal(fanOut([]).noRoom("a"), undefined);
});

const SENT = "otelcol_exporter_sent_metric_points";
const FAILED = "otelcol_exporter_send_failed_metric_points";
const REJECTED = "otelcol_exporter_enqueue_failed_metric_points";
/** Exporters without counters, for which every reading counts as delivered. */
const WITHOUT_COUNTERS: ReadonlySet<string> = new Set(["debug", "nop"]);

/** Makes the config of a consumer whose peer does not exist. If it has a queue, it is soon full. */
async function configOf(type: string, folder: string): Promise<object> {
  const sending_queue = { queue_size: 4, sizer: "requests" };
  const blocking = { sending_queue: { ...sending_queue, block_on_overflow: true } };
  switch (type) {
    case "cri_metadata":
      return { endpoint: `unix://${folder}/cri.sock`, wait: "30s" };
    case "memory_limiter":
      return { check_interval: "1s", limit_percentage: 100 };
    case "prometheus":
      return { endpoint: `127.0.0.1:${await freePort()}`, limits: { resources: 2 } };
    case "file":
      return { path: join(folder, "no", "such", "folder", "..", "out"), ...blocking };
    case "otlp_grpc":
      return { endpoint: `unix://${folder}/otlp.sock`, ...blocking };
    case "otlp_http":
      return { endpoint: `unix://${folder}/otlp.sock`, sending_queue };
    case "prometheus_remote_write":
      return { endpoint: `unix://${folder}/write.sock`, ...blocking };
    default:
      return {};
  }
}

/** Makes a component to test, its counters, and the consumer behind a processor. */
async function make(context: TestContext, section: "processors" | "exporters", type: string) {
  const folder = mkdtempSync(join(tmpdir(), "flow-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const { meter, sum } = countingMeter();
  const clock = new FakeClock();
  const next = new End();
  const factory = await registry[section][type]?.load();
  assert.ok(factory !== undefined);
  const config = factory.schema.parse(await configOf(type, folder));
  const settings = testSettings({ id: type, meter, clock, interner });
  const component = factory.create(config, settings, next) as Component & Consumer;
  return { component, clock, next, sum };
}

type Made = Awaited<ReturnType<typeof make>>;

/** Hostile schedules. Each one shuts the component down, and returns the number of readings that it gave. */
const SCHEDULES: Readonly<Record<string, (made: Made) => Promise<number>>> = {
  "used before its start, and after its shutdown": async ({ component }) => {
    component.noRoom("a");
    component.consume(reading("a", 1));
    component.end({ resource: reading("a", 1).resource, timeMs: 2 });
    await component.start().catch(() => {});
    component.consume(reading("a", 3));
    await component.shutdown(AbortSignal.abort());
    component.noRoom("a");
    component.consume(reading("a", 4));
    component.end({ resource: reading("a", 4).resource, timeMs: 5 });
    return 3;
  },
  "given more than it has room for": async ({ component, clock }) => {
    await component.start().catch(() => {});
    for (let count = 0; count < 50; count++) {
      component.noRoom(`s${count}`);
      component.consume(reading(`s${count}`, count));
      component.end({ resource: reading(`s${count}`, count).resource, timeMs: count + 1 });
      await clock.advance(100);
    }
    await component.shutdown(AbortSignal.abort());
    return 50;
  },
  "shut down while it holds, twice": async ({ component, clock }) => {
    await component.start().catch(() => {});
    for (let count = 0; count < 10; count++) component.consume(reading("a", count));
    component.end({ resource: reading("a", 0).resource, timeMs: 10 });
    component.consume(reading("b", 11));
    await clock.advance(10);
    await Promise.all([component.shutdown(AbortSignal.abort()), component.shutdown(AbortSignal.abort())]);
    return 11;
  },
};

for (const section of ["processors", "exporters"] as const) {
  for (const type of Object.keys(registry[section])) {
    for (const [name, play] of Object.entries(SCHEDULES)) {
      test(`${section}/${type}, ${name}: every reading that it took is handed on, delivered or counted as lost`, async (context) => {
        const made = await make(context, section, type);
        const took = await play(made);
        const { next, sum } = made;
        if (section === "processors") {
          const arrived = next.seen.filter((one) => !one.startsWith("end"));
          assert.equal(arrived.length, took);
          assertInOrder(next.seen);
        } else if (!WITHOUT_COUNTERS.has(type)) {
          assert.equal(sum(SENT) + sum(FAILED) + sum(REJECTED), took * POINTS);
        }
      });
    }

    if (section === "exporters") continue;
    test(`${section}/${type}: asks the next component whether there is room`, async (context) => {
      const { component, next } = await make(context, section, type);
      next.room = "result_pending";
      assert.equal(component.noRoom("a"), "result_pending");
      assert.equal(next.asked, 1);
      await component.shutdown(AbortSignal.abort());
    });
  }
}

test("an exporter is exchanged while its queue is full: the new one takes over, and every point is delivered or counted", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "flow-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const { meter, sum } = countingMeter();
  const clock = new FakeClock();
  const host = createHost(clock);
  const settings = (_kind: string, id: string) => testSettings({ id, meter, clock, interner, host });
  const counters = pipelineCounters(meter);
  const graph = new Graph({ clock, settings, counters, statuses: host.statuses, onError: assert.ifError });
  const source = new Source();
  const exporter = await registry.exporters["otlp_http"]?.load();
  const limiter = await registry.processors["memory_limiter"]?.load();
  assert.ok(exporter !== undefined && limiter !== undefined);
  /** Makes the pipeline with this timeout of its exporter. */
  const blueprint = (timeout: string): Blueprint => {
    const sending_queue = { queue_size: 3, sizer: "requests", block_on_overflow: true };
    const config = exporter.schema.parse({
      endpoint: `unix://${folder}/otlp.sock`,
      timeout,
      sending_queue,
      retry_on_failure: { max_elapsed_time: "0s" },
    });
    const limits = limiter.schema.parse({ check_interval: "1s", limit_percentage: 100 });
    const parts = { receivers: ["source"], processors: ["memory_limiter"], exporters: ["otlp_http"] };
    return {
      receivers: new Map([["source", { id: "source", factory: source.factory, config: {} }]]),
      processors: new Map([["memory_limiter", { id: "memory_limiter", factory: limiter, config: limits }]]),
      exporters: new Map([["otlp_http", { id: "otlp_http", factory: exporter, config }]]),
      extensions: new Map(),
      service: { extensions: [], pipelines: new Map([["metrics", parts]]) },
    };
  };
  const deadline = (): AbortSignal => AbortSignal.timeout(5_000);
  await graph.change(blueprint("5s"), deadline());
  for (let count = 0; count < 3; count++) source.next?.consume(reading(`s${count}`, count));
  assert.equal(source.next?.noRoom("s0"), "queue_full");
  const change = graph.change(blueprint("6s"), deadline());
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(source.next?.noRoom("s0"), undefined, "the new one's queue is empty");
  source.next?.consume(reading("s3", 3));
  source.next?.end({ resource: reading("s0", 4).resource, timeMs: 4 });
  await change;
  source.next?.consume(reading("s4", 5));
  await graph.shutdown(deadline());
  assert.equal(sum("kata_collector_exchange_lost_metric_points"), 0);
  assert.equal(sum(FAILED, { reason: "shutdown" }), 5 * POINTS, "of both exporters, whose peer is not there");
});

/** A receiver that the test drives. */
class Source {
  next: Consumer | undefined;
  readonly factory: ReceiverFactory<unknown> = {
    stability: "stable",
    schema: z.unknown(),
    create: (_config, _settings, next) => {
      this.next = next;
      return { start: () => Promise.resolve(), shutdown: () => Promise.resolve() };
    },
  };
}

/** Fails where the readings of a resource are not in the order of their times. */
function assertInOrder(seen: readonly string[]): void {
  for (const key of new Set(seen.map((one) => one.replace(/^end /, "").replace(/@.*/, "")))) {
    const times = seen.filter((one) => one.startsWith(`${key}@`)).map((one) => Number(one.split("@")[1]));
    assert.deepEqual(
      times,
      times.toSorted((one, other) => one - other),
      key,
    );
  }
}
