import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { status } from "@grpc/grpc-js";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { pino } from "pino";
import { FakeClock } from "../../clock/fake_clock.ts";
import {
  type CriBehaviour,
  type CriServer,
  type SimulatedPod,
  startCriServer,
} from "../../simulator/cri_server.ts";
import { Lookup } from "./lookup.ts";

const ANSWERS = "Container runtime answers.";
const ANSWERS_NOT =
  "Container runtime does not answer; new sandboxes are without their pod's name until it does.";
const UNKNOWN = "Container runtime does not know the sandbox.";

function pod(id: string): SimulatedPod {
  return {
    id,
    uid: "u",
    name: "n",
    namespace: "ns",
    labels: {},
    annotations: {},
    runtimeHandler: "",
    createdAtMs: 0,
  };
}

/** A lookup, and a socket on which a runtime can be started. */
async function bench(context: TestContext, timeoutMs = 1_000) {
  const folder = await mkdtemp(join(tmpdir(), "lookup-"));
  const socketPath = join(folder, "cri.sock");
  const clock = new FakeClock();
  const logs: string[] = [];
  const found: string[] = [];
  const memory = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter: memory, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  const lookup = new Lookup({
    endpoints: [`unix://${socketPath}`],
    timeoutMs,
    clock,
    logger: pino(
      { base: null, level: "debug" },
      { write: (line: string) => logs.push(JSON.parse(line).msg) },
    ),
    meter: provider.getMeter("test"),
    attributes: { processor: "cri_metadata" },
    onAnswering: () => {},
    onPod: ({ id }) => found.push(id),
  });
  lookup.start();
  const servers: CriServer[] = [];
  context.after(async () => {
    lookup.close();
    assert.equal(clock.timerCount, 0, "a timer is left");
    for (const server of servers) await server.close();
    await provider.shutdown();
    await rm(folder, { recursive: true });
  });
  return {
    clock,
    logs,
    found,
    lookup,
    async start(runtimeVersion = "1.7.0") {
      const server = await startCriServer({ socketPath, runtimeVersion });
      servers.push(server);
      return server;
    },
    /** The points of a metric: outcome, or nothing, and value. */
    async points(name: string) {
      await reader.forceFlush();
      const metrics = memory.getMetrics().at(-1)?.scopeMetrics[0]?.metrics ?? [];
      const points = metrics.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? [];
      return points.map(({ attributes, value }) => [attributes["outcome"] ?? "", value]);
    },
    /** Lets time pass in steps, each with what the network does in it. */
    async pass(ms: number, stepMs: number) {
      for (let spentMs = 0; spentMs < ms; spentMs += stepMs) {
        await clock.advance(stepMs);
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
    },
    async passUntil(what: string, done: () => boolean | Promise<boolean>, stepMs = 100) {
      const limit = performance.now() + 20_000;
      while (!(await done())) {
        assert.ok(performance.now() < limit, `waited in vain for ${what}`);
        await clock.advance(stepMs);
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
    },
  };
}

async function until(what: string, done: () => boolean): Promise<void> {
  const limit = performance.now() + 5_000;
  while (!done()) {
    assert.ok(performance.now() < limit, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

test("a sandbox that the runtime never knows is asked for ever more rarely, and then no more", async (context) => {
  const { start, lookup, passUntil, pass, logs, clock, points } = await bench(context);
  const server = await start();
  lookup.want("s1");
  await passUntil("the runtime to be given up", () => logs.includes(UNKNOWN), 1_000);
  assert.ok(clock.monotonicMs() >= 300_000, `given up after ${clock.monotonicMs()} ms`);
  const asked = server.calls.list;
  assert.ok(asked >= 10 && asked <= 20, `${asked} lists`);
  await pass(3_600_000, 60_000);
  assert.equal(server.calls.list, asked);
  assert.deepEqual(logs, [ANSWERS, UNKNOWN]);
  assert.deepEqual(await points("otelcol_processor_cri_metadata_unresolved_sandboxes"), [["", 1]]);
  assert.deepEqual(await points("otelcol_processor_cri_metadata_lookups"), [["answered", asked]]);
});

test("a given up sandbox is found by a list for another one", async (context) => {
  const { start, lookup, passUntil, logs, found } = await bench(context);
  const server = await start();
  lookup.want("s1");
  await passUntil("the runtime to be given up", () => logs.includes(UNKNOWN), 5_000);
  server.add(pod("s1"));
  server.add(pod("s2"));
  lookup.want("s2");
  await passUntil("both", () => found.length === 2);
});

test("a given up sandbox is asked for again when the runtime restarts", async (context) => {
  const { start, lookup, passUntil, logs, found } = await bench(context);
  const server = await start();
  lookup.want("s1");
  await passUntil("the runtime to be given up", () => logs.includes(UNKNOWN), 5_000);
  await server.close();
  const again = await start();
  again.add(pod("s1"));
  await passUntil("the sandbox", () => found.length === 1);
});

test("an event finds a sandbox without a list", async (context) => {
  const { start, lookup, clock, found } = await bench(context);
  const server = await start("2.0.0");
  lookup.want("s1");
  await clock.advance(30);
  await until("the stream", () => server.calls.events === 1);
  server.add(pod("other"));
  server.add(pod("s1"));
  await until("the sandbox", () => found.length === 1);
  assert.equal(server.calls.list, 1);
});

test("a runtime that gives each event to one listener is not listened to", async (context) => {
  const { start, lookup, pass } = await bench(context);
  const server = await start("1.7.27");
  lookup.want("s1");
  await pass(2_000, 100);
  assert.ok(server.calls.list > 2);
  assert.equal(server.calls.events, 0);
});

test("an absent runtime is said once, tried at least every five seconds, and found when it comes", async (context) => {
  const { start, lookup, pass, passUntil, logs, found, clock, points } = await bench(context);
  lookup.want("s1");
  await pass(300_000, 1_000);
  assert.deepEqual(logs, [ANSWERS_NOT]);
  const [[outcome, tries] = []] = await points("otelcol_processor_cri_metadata_lookups");
  assert.equal(outcome, "unavailable");
  assert.ok(Number(tries) >= 50 && Number(tries) <= 75, `${tries} tries in five minutes`);
  const server = await start();
  server.add(pod("s1"));
  const sinceMs = clock.monotonicMs();
  await passUntil("the sandbox", () => found.length === 1);
  // Five, and some for what the steps of the clock overtake on a busy machine.
  assert.ok(clock.monotonicMs() - sinceMs <= 10_000);
  assert.deepEqual(logs, [ANSWERS_NOT, ANSWERS]);
});

test("every failure is counted under its name, said once, and got over", async (context) => {
  // Long, so that a large answer on a busy machine is not taken for a hanging one.
  const { start, lookup, passUntil, logs, found, points } = await bench(context, 20_000);
  const server = await start();
  server.add(pod("s1"));
  const behaveUntil = async (behaviour: CriBehaviour, outcome: string) => {
    server.behave(behaviour);
    await passUntil(outcome, async () => {
      const lookups = await points("otelcol_processor_cri_metadata_lookups");
      return lookups.some(([name]) => name === outcome);
    });
  };
  lookup.want("s1");
  await behaveUntil({ garbage: true }, "malformed");
  await behaveUntil({ errorCode: status.INTERNAL }, "error");
  await behaveUntil({ errorCode: status.UNIMPLEMENTED }, "unimplemented");
  await behaveUntil({ answerBytes: 17 * 1024 ** 2 }, "too_large");
  assert.deepEqual(logs, [ANSWERS_NOT]);
  await behaveUntil({ answerBytes: 10 * 1024 ** 2 }, "answered");
  await passUntil("the sandbox", () => found.length === 1);
  assert.deepEqual(logs, [ANSWERS_NOT, ANSWERS]);
});

test("a hanging runtime is a timeout, and is found when it goes on", async (context) => {
  const { start, lookup, passUntil, logs, found } = await bench(context, 200);
  const server = await start();
  server.add(pod("s1"));
  server.behave({ hang: true });
  lookup.want("s1");
  await passUntil("the timeout", () => logs.length === 1);
  assert.deepEqual(logs, [ANSWERS_NOT]);
  server.behave({});
  await passUntil("the sandbox", () => found.length === 1);
  assert.deepEqual(logs, [ANSWERS_NOT, ANSWERS]);
});

test("while a call hangs there is no second one", async (context) => {
  const { start, lookup, pass, points } = await bench(context, 60_000);
  const server = await start();
  server.behave({ hang: true });
  lookup.want("s1");
  await pass(10_000, 500);
  lookup.want("s2");
  await pass(10_000, 500);
  assert.deepEqual(server.calls, { list: 0, version: 1, events: 0 });
  assert.deepEqual(await points("otelcol_processor_cri_metadata_lookups"), []);
});

test("what is forgotten is not asked for", async (context) => {
  const { start, lookup, pass, points } = await bench(context);
  const server = await start();
  lookup.want("s1");
  lookup.forget("s1");
  await pass(10_000, 500);
  assert.equal(server.calls.list, 0);
  assert.deepEqual(await points("otelcol_processor_cri_metadata_unresolved_sandboxes"), [["", 0]]);
});
