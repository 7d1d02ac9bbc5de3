// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { status } from "@grpc/grpc-js";
import type { Meter } from "@opentelemetry/api";
import { countingMeter } from "../../../test/kit/component/counters.ts";
import { advanceInSteps, advanceUntil } from "../../../test/kit/component/fake_time.ts";
import { readableMeter } from "../../../test/kit/component/gauges.ts";
import { poll } from "../../../test/kit/poll.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import {
  type CriBehaviour,
  type CriServer,
  type SimulatedPod,
  startCriServer,
} from "../../simulator/cri_server.ts";
import { PodLookup } from "./lookup.ts";

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

/** A lookup that has started, and sockets for runtimes. Only the first one's answer is needed. */
async function bench(
  context: TestContext,
  { timeoutMs = 1_000, endpoints = 1, meter }: { timeoutMs?: number; endpoints?: number; meter?: Meter } = {},
) {
  const folder = await mkdtemp(join(tmpdir(), "lookup-"));
  const paths = Array.from({ length: endpoints }, (_, index) => join(folder, `${index}.sock`));
  const clock = new FakeClock();
  /** The calls of the listener. */
  const found: string[] = [];
  const lists: string[][] = [];
  const failures: string[] = [];
  const counters = countingMeter();
  const state = { isOfInterest: false };
  const lookup = new PodLookup({
    endpoints: paths.map((path) => `unix://${path}`),
    timeoutMs,
    clock,
    meter: meter ?? counters.meter,
    attributes: {},
    listener: {
      asking: () => {},
      listed: (_, list) => lists.push([...list.keys()]),
      failed(endpoint, error) {
        failures.push(error.failure);
        return endpoint.endsWith("0.sock");
      },
      found: ({ id }) => found.push(id),
      happened: () => state.isOfInterest,
    },
  });
  lookup.start();
  const servers: CriServer[] = [];
  context.after(async () => {
    lookup.close();
    assert.equal(clock.timerCount, 0, "a timer is left");
    for (const server of servers) await server.close();
    await rm(folder, { recursive: true });
  });
  return {
    clock,
    found,
    lists,
    failures,
    lookup,
    state,
    async start(runtimeVersion = "1.7.0", index = 0) {
      const server = await startCriServer({ socketPath: paths[index] ?? "", runtimeVersion });
      servers.push(server);
      return server;
    },
    outcomes: (outcome: string) => counters.sum("otelcol_processor_cri_metadata_lookups", { outcome }),
    pass: (ms: number, stepMs: number) => advanceInSteps(clock, ms, stepMs),
    passUntil: (what: string, done: () => boolean, stepMs = 100) =>
      advanceUntil(clock, what, { done, stepMs }),
  };
}

function until(what: string, done: () => boolean): Promise<boolean> {
  return poll(what, () => done() || undefined);
}

test("a runtime is asked for its list each minute, also on a node without a sandbox", async (context) => {
  const { start, pass, lists } = await bench(context);
  (await start()).add(pod("s1"));
  await pass(10 * 60_000, 10_000);
  assert.ok(lists.length >= 5 && lists.length <= 11, `${lists.length} lists in ten minutes`);
  assert.deepEqual(lists.at(-1), ["s1"]);
});

test("for a sandbox that the runtime does not know, lists are asked for with growing pauses, and at last once a minute", async (context) => {
  const { start, lookup, pass, outcomes } = await bench(context);
  const server = await start();
  lookup.want("s1");
  await pass(60_000, 100);
  const asked = server.calls.list;
  assert.ok(asked >= 5 && asked <= 12, `${asked} lists in the first minute`);
  await pass(60 * 60_000, 60_000);
  assert.ok(server.calls.list - asked <= 61, `${server.calls.list - asked} lists in an hour`);
  assert.equal(outcomes("answered"), server.calls.list);
});

test("an unknown sandbox is found by a list that was asked for another reason", async (context) => {
  const { start, lookup, pass, passUntil, found } = await bench(context);
  const server = await start();
  lookup.want("s1");
  await pass(120_000, 5_000);
  server.add(pod("s1"));
  server.add(pod("s2"));
  lookup.want("s2");
  await passUntil("both", () => found.length === 2);
});

test("a runtime that restarts is asked again within seconds", async (context) => {
  const { start, lists, clock, failures, passUntil } = await bench(context);
  const server = await start();
  await passUntil("a list", () => lists.length === 1);
  await server.close();
  await passUntil("the failure", () => failures.length > 0);
  await start();
  const sinceMs = clock.monotonicMs();
  await passUntil("another list", () => lists.length === 2);
  assert.ok(clock.monotonicMs() - sinceMs <= 10_000);
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

test("events of Kata pods cause a list soon, but at most one in five seconds", async (context) => {
  const { start, lists, state, pass, passUntil } = await bench(context);
  const server = await start("2.0.0");
  await passUntil("the stream", () => server.calls.events === 1);
  for (let second = 0; second < 10; second++) {
    server.add(pod(`other${second}`));
    await pass(1_000, 500);
  }
  assert.equal(lists.length, 1, "no event mattered");
  state.isOfInterest = true;
  for (let second = 0; second < 20; second++) {
    server.add(pod(`s${second}`));
    await pass(1_000, 500);
  }
  assert.ok(lists.length >= 3 && lists.length <= 6, `${lists.length} lists in twenty seconds`);
});

test("a runtime that gives each event to one listener is not listened to", async (context) => {
  const { start, lookup, pass } = await bench(context);
  const server = await start("1.7.27");
  lookup.want("s1");
  await pass(2_000, 100);
  assert.ok(server.calls.list > 2);
  assert.equal(server.calls.events, 0);
});

test("an absent runtime is tried every five seconds, and found when it comes", async (context) => {
  const { start, lookup, pass, passUntil, found, clock, outcomes } = await bench(context);
  await pass(300_000, 1_000);
  const tries = outcomes("unavailable");
  assert.ok(tries >= 30 && tries <= 61, `${tries} tries in five minutes`);
  const server = await start();
  server.add(pod("s1"));
  lookup.want("s1");
  const sinceMs = clock.monotonicMs();
  await passUntil("the sandbox", () => found.length === 1);
  assert.ok(clock.monotonicMs() - sinceMs <= 10_000);
});

test("each failure is counted under its name, and calls go on", async (context) => {
  // The timeout is long, so that a large answer on a busy machine does not exceed it.
  const { start, lookup, passUntil, found, outcomes } = await bench(context, { timeoutMs: 20_000 });
  const server = await start();
  server.add(pod("s1"));
  const behaveUntil = async (behaviour: CriBehaviour, outcome: string) => {
    server.behave(behaviour);
    await passUntil(outcome, () => outcomes(outcome) > 0, 1_000);
  };
  await behaveUntil({ garbage: true }, "malformed");
  await behaveUntil({ errorCode: status.INTERNAL }, "error");
  await behaveUntil({ errorCode: status.UNIMPLEMENTED }, "unimplemented");
  await behaveUntil({ answerBytes: 17 * 1024 ** 2 }, "too_large");
  lookup.want("s1");
  await behaveUntil({ answerBytes: 10 * 1024 ** 2 }, "answered");
  await passUntil("the sandbox", () => found.length === 1);
});

test("a list that is too large is asked for once a minute", async (context) => {
  const { start, pass, outcomes } = await bench(context, { timeoutMs: 20_000 });
  (await start()).behave({ errorCode: status.RESOURCE_EXHAUSTED });
  await pass(300_000, 1_000);
  const tries = outcomes("too_large");
  assert.ok(tries >= 3 && tries <= 6, `${tries} tries in five minutes`);
});

test("a runtime whose lists take longer than the timeout answers in the end", async (context) => {
  const { start, lookup, passUntil, found, failures } = await bench(context, { timeoutMs: 100 });
  const server = await start();
  server.add(pod("s1"));
  server.behave({ delayMs: 150 });
  lookup.want("s1");
  await passUntil("the sandbox", () => found.length === 1);
  assert.ok(failures.includes("timeout"));
});

test("while a call hangs there is no second one", async (context) => {
  const { start, lookup, pass, outcomes } = await bench(context, { timeoutMs: 60_000 });
  const server = await start();
  server.behave({ hang: true });
  lookup.want("s1");
  await pass(10_000, 500);
  lookup.want("s2");
  await pass(10_000, 500);
  assert.deepEqual(server.calls, { list: 0, version: 1, events: 0 });
  assert.equal(outcomes("timeout"), 0);
});

test("a runtime that hangs delays no other one", async (context) => {
  const { start, lookup, passUntil, found } = await bench(context, { endpoints: 2, timeoutMs: 60_000 });
  (await start("1.7.0", 0)).behave({ hang: true });
  const other = await start("1.7.0", 1);
  lookup.want("s1");
  await passUntil("some lists", () => other.calls.list >= 3);
  other.add(pod("s1"));
  await passUntil("the sandbox", () => found.length === 1);
});

test("endpoints whose answer is not needed are neither counted nor asked more often", async (context) => {
  const { start, lists, pass, outcomes, failures } = await bench(context, { endpoints: 3 });
  await start();
  await pass(300_000, 1_000);
  assert.ok(lists.length <= 6, `${lists.length} lists in five minutes`);
  assert.equal(failures.length, 2 * lists.length);
  assert.equal(outcomes("unavailable"), 0);
});

test("a forgotten sandbox is not asked for", async (context) => {
  const { start, lookup, pass, passUntil, lists } = await bench(context);
  await start();
  await passUntil("the first list", () => lists.length === 1);
  lookup.want("s1");
  lookup.forget("s1");
  await pass(10_000, 500);
  assert.equal(lists.length, 1);
});

test("the sandboxes whose pods are not known are counted", async (context) => {
  const { meter, read } = readableMeter(context);
  const { start, lookup, found, passUntil } = await bench(context, { meter });
  const unresolved = () => read("otelcol_processor_cri_metadata_unresolved_sandboxes");
  (await start()).add(pod("s1"));
  for (const id of ["s1", "s2", "s3"]) lookup.want(id);
  assert.deepEqual(await unresolved(), [3]);
  await passUntil("the sandbox", () => found.length === 1);
  lookup.forget("s3");
  assert.deepEqual(await unresolved(), [1]);
});
