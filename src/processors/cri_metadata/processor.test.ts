// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { pino } from "pino";
import { testSettings } from "../../../test/kit/component/settings.ts";
import { sandboxStatus } from "../../../test/kit/kata/sandbox_status.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import { SANDBOX_SOURCES } from "../../kata/sandboxes.ts";
import { Interner } from "../../metrics/interner.ts";
import type { Reading, Resource } from "../../metrics/model.ts";
import { type CriServer, type SimulatedPod, startCriServer } from "../../simulator/cri_server.ts";
import { factory } from "./factory.ts";

const interner = new Interner();
const schema = interner.schema([]);

function sandbox(id: string, key = `kata/${id}`): Resource {
  return { key, attributes: [{ key: "kata.sandbox.id", value: id }] };
}

function pod(id: string): SimulatedPod {
  return {
    id,
    uid: `${id}-uid`,
    name: `${id}-pod`,
    namespace: "shop",
    labels: { app: "web" },
    annotations: {},
    runtimeHandler: "kata",
    createdAtMs: 0,
  };
}

/** The text of a resource with the pod's attributes. */
function named(id: string): string {
  return `${id} ${id}-uid ${id}-pod shop kata`;
}

/** A processor in front of a consumer that notes what it gets, and a runtime that has not started yet. */
async function bench(context: TestContext, config: Readonly<Record<string, unknown>> = {}) {
  const folder = await mkdtemp(join(tmpdir(), "cri-metadata-"));
  const socketPath = join(folder, "cri.sock");
  const clock = new FakeClock();
  const logs: string[] = [];
  const passed: string[] = [];
  const readings: Reading[] = [];
  const settings = testSettings({
    id: "cri_metadata",
    logger: pino({ base: null }, { write: (line: string) => logs.push(JSON.parse(line).msg) }),
    clock,
    interner,
  });
  const values = (resource: Resource) => resource.attributes.map(({ value }) => value).join(" ");
  const startOne = async () => {
    const parsed = factory.schema.parse({ endpoint: socketPath, timeout: "1s", ...config });
    const one = factory.create(parsed, settings, {
      noRoom: (key) => (key === "full" ? "queue_full" : undefined),
      consume(reading) {
        readings.push(reading);
        passed.push(`${values(reading.resource)} @${reading.timeMs}`);
      },
      end: ({ resource }) => passed.push(`end ${values(resource)}`),
    });
    await one.start();
    return one;
  };
  const processor = await startOne();
  let current = processor;
  const servers: CriServer[] = [];
  context.after(async () => {
    await current.shutdown(AbortSignal.timeout(1_000));
    assert.equal(clock.timerCount, 0, "a timer is left");
    for (const server of servers) await server.close();
    await rm(folder, { recursive: true });
  });
  return {
    clock,
    host: settings.host,
    logs,
    passed,
    readings,
    processor,
    async start(runtimeVersion = "1.7.0") {
      const server = await startCriServer({ socketPath, runtimeVersion });
      servers.push(server);
      return server;
    },
    /** Replaces the processor as a reload does: the new one starts before the old one has stopped. */
    async replace() {
      const before = current;
      current = await startOne();
      await before.shutdown(AbortSignal.timeout(1_000));
    },
    read(resource: Resource, timeMs: number) {
      const values = new Float64Array(0);
      current.consume({ resource, schema, values, timeMs, startMs: 0 });
    },
    end: (resource: Resource) => current.end({ resource, timeMs: 0 }),
    /** Advances the clock in small steps until the condition is true, by at most `limitMs`. */
    async advanceUntil(what: string, done: () => boolean, limitMs = 60_000) {
      for (let spentMs = 0; !done(); spentMs += 10) {
        assert.ok(spentMs < limitMs, `timed out waiting for ${what}`);
        await clock.advance(10);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
  };
}

/** Waits in real time for the network; the fake clock does not move. */
async function until(what: string, done: () => boolean): Promise<void> {
  const limit = performance.now() + 5_000;
  while (!done()) {
    assert.ok(performance.now() < limit, `timed out waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

test("the first reading is held until the pod is known, and then has its attributes", async (context) => {
  const { start, read, end, passed, processor, clock } = await bench(context);
  const server = await start();
  server.add(pod("s1"));
  const resource = sandbox("s1");
  read(resource, 1);
  assert.deepEqual(passed, []);
  await clock.advance(30);
  await until("the name", () => passed.length > 0);
  read(resource, 2);
  end(resource);
  assert.deepEqual(passed, [`${named("s1")} @1`, `${named("s1")} @2`, `end ${named("s1")}`]);
  assert.equal(server.calls.list, 1);
  await processor.shutdown(AbortSignal.timeout(1_000));
});

test("a processor that replaces another one also knows pods that no runtime lists any more", async (context) => {
  for (const wait of ["5s", "0s"]) {
    const { start, read, passed, clock, replace, host } = await bench(context, { wait });
    const server = await start();
    const resource = sandbox("s1");
    server.add(pod("s1"));
    host.single(SANDBOX_SOURCES).add("kata", {
      sandboxes: () => [sandboxStatus("s1", {})],
      roots: () => ["/run/kata"],
      owns: () => false,
      lastScrape: () => undefined,
      rawPage: () => undefined,
      agentUrl: () => undefined,
    });
    read(resource, 1);
    await clock.advance(30);
    await until("the name", () => {
      read(resource, 1);
      return passed.at(-1) === `${named("s1")} @1`;
    });
    server.remove("s1");
    await replace();
    read(resource, 2);
    await clock.advance(5_000);
    assert.equal(passed.at(-1), `${named("s1")} @2`, `wait ${wait}`);
    // The runtime then lists the same pod again, which must make no other series.
    server.add(pod("s1"));
    passed.length = 0;
    await clock.advance(60_000);
    read(resource, 3);
    assert.deepEqual(passed, [`${named("s1")} @3`], `wait ${wait}`);
  }
});

test("the key stays, and one resource object serves all readings of a sandbox", async (context) => {
  const { start, read, readings, clock } = await bench(context);
  (await start()).add(pod("s1"));
  const resource = sandbox("s1");
  read(resource, 1);
  await clock.advance(30);
  await until("the name", () => readings.length > 0);
  read(resource, 2);
  assert.equal(readings[0]?.resource.key, "kata/s1");
  assert.equal(readings[1]?.resource, readings[0]?.resource);
});

test("sandboxes that appear together are answered by one list", async (context) => {
  const { start, read, passed, clock } = await bench(context);
  const server = await start();
  for (let index = 0; index < 50; index++) {
    server.add(pod(`s${index}`));
    read(sandbox(`s${index}`), 1);
  }
  await clock.advance(30);
  await until("the names", () => passed.length === 50);
  assert.equal(server.calls.list, 1);
});

test("a pod that the runtime lists late is asked for again, within the wait", async (context) => {
  const { start, read, passed, advanceUntil } = await bench(context);
  const server = await start();
  read(sandbox("s1"), 1);
  await advanceUntil("two lists", () => server.calls.list === 2);
  server.add(pod("s1"));
  await advanceUntil("the name", () => passed.length > 0, 4_000);
  assert.deepEqual(passed, [`${named("s1")} @1`]);
});

test("after the wait readings pass without the pod's attributes; when these come, the old resource is ended just before the new one", async (context) => {
  const { start, read, passed, clock, advanceUntil, logs } = await bench(context);
  const resource = sandbox("s1");
  read(resource, 1);
  await clock.advance(4_999);
  assert.deepEqual(passed, []);
  await clock.advance(1);
  read(resource, 2);
  assert.deepEqual(passed, ["s1 @1", "s1 @2"]);

  const server = await start();
  server.add(pod("s1"));
  await advanceUntil("the answer", () => logs.at(-1) === "Pod of the sandbox is known.");
  assert.equal(passed.length, 2, "nothing is ended before there is a reading to take its place");
  read(resource, 3);
  read(resource, 4);
  assert.deepEqual(passed.slice(2), ["end s1", `${named("s1")} @3`, `${named("s1")} @4`]);
});

test("a sandbox that ends while its readings are held passes them first", async (context) => {
  const { read, end, passed, clock } = await bench(context);
  const resource = sandbox("s1");
  read(resource, 1);
  read(resource, 2);
  end(resource);
  assert.deepEqual(passed, ["s1 @1", "s1 @2", "end s1"]);
  assert.equal(clock.timerCount, 1, "only the look that was due is left");
  read(resource, 3);
  assert.equal(passed.length, 3, "it is a new sandbox, and held again");
});

test("a sandbox whose attributes came late and that ends without another reading ends without them", async (context) => {
  const { start, read, end, passed, advanceUntil, logs } = await bench(context, { wait: "0s" });
  const resource = sandbox("s1");
  read(resource, 1);
  (await start()).add(pod("s1"));
  await advanceUntil("the answer", () => logs.at(-1) === "Pod of the sandbox is known.");
  end(resource);
  assert.deepEqual(passed, ["s1 @1", "end s1"]);
});

test("the number of held readings is limited, and beyond it they are passed on, not lost", async (context) => {
  const { read, passed } = await bench(context, { wait: "60s" });
  const resource = sandbox("s1");
  for (let time = 1; time <= 15; time++) read(resource, time);
  assert.equal(passed.length, 0);
  read(resource, 16);
  assert.equal(passed.length, 16);
  assert.equal(passed[15], "s1 @16");
});

test("one id under two roots is two sandboxes of one pod", async (context) => {
  const { start, read, passed, clock, readings } = await bench(context);
  (await start()).add(pod("s1"));
  read(sandbox("s1", "go/s1"), 1);
  read(sandbox("s1", "rs/s1"), 1);
  await clock.advance(30);
  await until("the names", () => passed.length === 2);
  assert.deepEqual(passed, [`${named("s1")} @1`, `${named("s1")} @1`]);
  assert.deepEqual(
    readings.map(({ resource }) => resource.key),
    ["go/s1", "rs/s1"],
  );
});

test("a resource that is no sandbox passes unchanged, and so does its end", async (context) => {
  const { read, end, passed, readings } = await bench(context);
  const resource: Resource = { key: "node", attributes: [{ key: "host.name", value: "n1" }] };
  read(resource, 1);
  end(resource);
  assert.deepEqual(passed, ["n1 @1", "end n1"]);
  assert.equal(readings[0]?.resource, resource);
});

test("attributes of the receiver are never replaced", async (context) => {
  const extract = { labels: [{ key: "app", tag_name: "kata.sandbox.id" }, { key: "app" }] };
  const { start, read, passed, clock } = await bench(context, { extract });
  (await start()).add(pod("s1"));
  read(sandbox("s1"), 1);
  await clock.advance(30);
  await until("the name", () => passed.length > 0);
  assert.deepEqual(passed, [`${named("s1")} web @1`]);
});

test("a receiver's new resource for a sandbox gets the same attributes as the old one", async (context) => {
  const { start, read, passed, clock } = await bench(context);
  (await start()).add(pod("s1"));
  read(sandbox("s1"), 1);
  await clock.advance(30);
  await until("the name", () => passed.length > 0);
  const other = sandbox("s1");
  read({ ...other, attributes: [...other.attributes, { key: "x", value: "new" }] }, 2);
  assert.deepEqual(passed.slice(1), [`end ${named("s1")}`, "s1 new s1-uid s1-pod shop kata @2"]);
});

test("noRoom is that of the next component, and a shutdown passes on the held readings", async (context) => {
  const { start, read, passed, clock, processor } = await bench(context);
  (await start()).add(pod("s1"));
  read(sandbox("s1"), 1);
  await clock.advance(30);
  await until("the name", () => passed.length > 0);
  assert.equal(processor.noRoom("full"), "queue_full");
  read(sandbox("s2"), 1);
  assert.equal(processor.noRoom("s2"), undefined, "while it is held too");
  await processor.shutdown(AbortSignal.timeout(1_000));
  assert.equal(passed.at(-1), "s2 @1");
  read(sandbox("s3"), 1);
  assert.equal(passed.at(-1), "s3 @1", "nothing is held any more");
});
