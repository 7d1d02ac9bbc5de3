// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { pino } from "pino";
import { testSettings } from "../../test/kit/component/settings.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import type { Answer } from "../peer/answer.ts";
import type { Send } from "./attempt.ts";
import { type QueueConfig, queueSchema } from "./config.ts";
import { DeliveryChain } from "./delivery_chain.ts";
import { MemoryQueue } from "./memory_queue.ts";
import { QUEUE_STORAGES, type QueueStorage } from "./queue_storage.ts";
import { type RetryConfig, retrySchema } from "./retry_config.ts";

const OK: Answer = { kind: "delivered", rejectedPoints: 0, message: "" };
const DOWN: Answer = { kind: "busy", status: "UNAVAILABLE", error: "no connection" };
const BAD: Answer = { kind: "split", status: "INVALID_ARGUMENT", error: "bad request" };
/** A batch config by which each request is sent by itself, as soon as a consumer is free. */
const AT_ONCE = { flushTimeoutMs: 200, min: { bytes: 0 }, maxBytes: 1 };
const KIB = new Uint8Array(1024);

interface Call {
  readonly points: number;
  readonly signal: AbortSignal;
  answer(outcome: Answer): void;
}

/** A delivery chain whose first attempts the script answers, and the others the test. */
function delivering(
  script: readonly Answer[] = [],
  queue: Partial<QueueConfig> = {},
  retry: Partial<RetryConfig> = {},
  timeoutMs = 5_000,
) {
  const clock = new FakeClock();
  const lines: string[] = [];
  const output = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  const calls: Call[] = [];
  const left = [...script];
  const send: Send = ({ points }, signal) =>
    new Promise((resolve) => {
      calls.push({ points, signal, answer: resolve });
      const scripted = left.shift();
      if (scripted !== undefined) resolve(scripted);
    });
  const settings = testSettings({
    id: "otlp_grpc",
    logger: pino({ base: null, timestamp: false }, output),
    meter: provider.getMeter("test"),
    clock,
  });
  const config = {
    timeoutMs,
    retryOnFailure: { ...retrySchema.parse({}), ...retry },
    sendingQueue: { ...queueSchema.parse({}), batch: AT_ONCE, ...queue },
  };
  const { statuses } = settings.host;
  const storages = settings.host.single(QUEUE_STORAGES);
  const states: string[] = [];
  statuses.report = (_kind, _id, state, error = "") => void states.push(`${state} ${error}`.trim());
  const delivery = new DeliveryChain({ type: "otlp_grpc", settings, config, send, random: () => 0.5 });
  // Without a storage, a start does nothing asynchronous.
  if (config.sendingQueue.storage === undefined) void delivery.start();
  return {
    delivery,
    storages,
    /** The reported statuses, in their order. */
    states,
    clock,
    calls,
    lines: () => lines.map((line) => JSON.parse(line)),
    /** The metrics that are not 0, as `name{reason}` → value. */
    async metrics(): Promise<Record<string, number>> {
      exporter.reset();
      await reader.forceFlush();
      const values: Record<string, number> = {};
      for (const { scopeMetrics } of exporter.getMetrics())
        for (const { metrics } of scopeMetrics)
          for (const { descriptor, dataPoints } of metrics)
            for (const { value, attributes } of dataPoints) {
              assert.equal(attributes["exporter"], "otlp_grpc");
              const reason = attributes["reason"] === undefined ? "" : `{${attributes["reason"]}}`;
              if (value !== 0)
                values[descriptor.name.replace("otelcol_exporter_", "") + reason] = Number(value);
            }
      return values;
    },
    close: async () => {
      await delivery.shutdown(AbortSignal.abort());
      assert.equal(clock.timerCount, 0, "no timer is left");
      await provider.shutdown();
    },
  };
}

const SENT = "sent_metric_points";
const OUTAGE = "kata_collector_exporter_outage_seconds";
const FAILED = "send_failed_metric_points";
const CAPACITY = { queue_capacity: 64 * 1024 * 1024 };

test("delivered points count as sent", async () => {
  const { delivery, clock, metrics, lines, close } = delivering([OK, OK]);
  assert.ok(delivery.enqueue({ bytes: KIB, points: 7 }));
  assert.ok(delivery.enqueue({ bytes: KIB, points: 5 }));
  await clock.advance(0);
  assert.deepEqual(await metrics(), { [SENT]: 12, ...CAPACITY });
  assert.deepEqual(lines(), []);
  await close();
});

test("a temporary failure is tried again after the pause, and is logged", async () => {
  const { delivery, clock, calls, metrics, lines, close } = delivering([DOWN, DOWN, OK]);
  delivery.enqueue({ bytes: KIB, points: 7 });
  await clock.advance(0);
  await clock.advance(4_999);
  assert.equal(calls.length, 1);
  await clock.advance(1);
  assert.equal(calls.length, 2);
  assert.deepEqual(await metrics(), { [OUTAGE]: 5, queue_size: 1024, ...CAPACITY });
  await clock.advance(7_500);
  assert.deepEqual(await metrics(), { [SENT]: 7, ...CAPACITY });
  const [begin, end] = lines();
  assert.deepEqual(
    [begin.level, begin.msg, begin.error, begin.retry_in, begin.queued_points],
    [40, "The destination takes no data; retrying.", "no connection", "5s", 7],
  );
  assert.deepEqual(
    [end.level, end.msg, end.lasted, end.failed_attempts, end.lost_points, end.delayed_points],
    [40, "The destination takes data again.", "13s", 2, {}, 7],
  );
  await close();
});

test("a single request that is refused is dropped at once", async () => {
  const { delivery, clock, calls, metrics, lines, close } = delivering([BAD]);
  delivery.enqueue({ bytes: KIB, points: 7 });
  await clock.advance(600_000);
  assert.equal(calls.length, 1);
  assert.deepEqual(await metrics(), { [`${FAILED}{permanent}`]: 7, ...CAPACITY });
  const [line] = lines();
  assert.equal(line.level, 50);
  assert.equal(line.msg, "Exporting failed. Dropping data.");
  assert.equal(line.error, "not retryable error: bad request");
  assert.equal(line.dropped_items, 7);
  await close();
});

test("retries end after max_elapsed_time, or at once if they are off", async () => {
  const script: Answer[] = Array(50).fill(DOWN);
  const { delivery, clock, metrics, lines, close } = delivering(script);
  delivery.enqueue({ bytes: KIB, points: 7 });
  await clock.advance(0);
  await clock.advance(300_000);
  assert.deepEqual(await metrics(), {
    [`${FAILED}{retries_exhausted}`]: 7,
    [OUTAGE]: 300,
    ...CAPACITY,
  });
  assert.equal(lines().at(-1).error, "no more retries left: no connection");
  await close();

  const off = delivering([DOWN], {}, { enabled: false });
  off.delivery.enqueue({ bytes: KIB, points: 3 });
  await off.clock.advance(0);
  assert.deepEqual(await off.metrics(), { [`${FAILED}{retries_exhausted}`]: 3, ...CAPACITY });
  await off.close();
});

test("points that the receiver rejects are counted as failed, the others as sent", async () => {
  const partial: Answer = { kind: "delivered", rejectedPoints: 3, message: "too old" };
  const absurd: Answer = { kind: "delivered", rejectedPoints: 1e9, message: "confused" };
  const { delivery, clock, metrics, lines, close } = delivering([partial, absurd]);
  delivery.enqueue({ bytes: KIB, points: 10 });
  delivery.enqueue({ bytes: KIB, points: 4 });
  await clock.advance(0);
  assert.deepEqual(await metrics(), { [SENT]: 7, [`${FAILED}{partial_success}`]: 7, ...CAPACITY });
  assert.equal(lines()[0].error, "too old");
  assert.equal(lines()[0].dropped_items, 3);
  await close();
});

test("points that are no counts are counted as failed although nothing was sent, and the log names them", async () => {
  const { delivery, clock, metrics, lines, close } = delivering([]);
  const family = {
    id: 1,
    name: "kata_guest_x",
    kind: "sum",
    unit: "",
    help: "",
    points: [],
    width: 0,
  } as const;
  delivery.countUnsound([family, family], { key: "kata/3fa9", attributes: [] });
  delivery.countUnsound([family], { key: "kata/3fa9", attributes: [] });
  await clock.advance(10_000);
  assert.deepEqual(await metrics(), { [`${FAILED}{not_a_count}`]: 3, ...CAPACITY });
  const [first, second] = lines();
  assert.equal(first.level, 40);
  assert.equal(first.msg, "Points are left out: their kind says that they count, and their numbers do not.");
  assert.equal(first.error, '"kata_guest_x" of "kata/3fa9" has a number that is no count');
  assert.deepEqual([first.dropped_items, second.dropped_items], [2, 1]);
  await close();
});

test("a warning without a rejection loses nothing", async () => {
  const { delivery, clock, metrics, lines, close } = delivering([
    { kind: "delivered", rejectedPoints: 0, message: "deprecated" },
  ]);
  delivery.enqueue({ bytes: KIB, points: 10 });
  await clock.advance(0);
  assert.deepEqual(await metrics(), { [SENT]: 10, ...CAPACITY });
  assert.equal(lines()[0].level, 40);
  assert.equal(lines()[0].message, "deprecated");
  await close();
});

test("a failure that repeats is one line per interval, with sums", async () => {
  const { delivery, clock, lines, close } = delivering(Array(30).fill(BAD), {}, { enabled: false });
  for (let i = 0; i < 30; i++) delivery.enqueue({ bytes: KIB, points: 2 });
  await clock.advance(0);
  assert.deepEqual(
    lines().map(({ dropped_items, requests }) => [dropped_items, requests]),
    [[2, 1]],
  );
  await clock.advance(10_000);
  assert.deepEqual(
    lines().map(({ dropped_items, requests }) => [dropped_items, requests]),
    [
      [2, 1],
      [58, 29],
    ],
  );
  await clock.advance(20_000);
  assert.equal(lines().length, 2);
  await close();
});

test("a full queue rejects the newest request, which is counted and logged", async () => {
  const { delivery, clock, calls, metrics, lines, close } = delivering([], {
    queueSize: 3 * 1024,
    numConsumers: 1,
  });
  for (const points of [1, 2, 3]) assert.ok(delivery.enqueue({ bytes: KIB, points }));
  assert.equal(delivery.noRoom("s1"), undefined, "a queue that does not block loses");
  assert.ok(!delivery.enqueue({ bytes: KIB, points: 4 }));
  assert.equal(lines()[0].msg, "Exporting failed. Rejecting data.");
  assert.equal(lines()[0].error, "sending queue is full");
  assert.deepEqual(await metrics(), {
    enqueue_failed_metric_points: 4,
    queue_size: 3 * 1024,
    queue_capacity: 3 * 1024,
    in_flight_requests: 1,
  });
  calls[0]?.answer(OK);
  await clock.advance(0);
  assert.ok(delivery.enqueue({ bytes: KIB, points: 5 }), "there is room again");
  await close();
});

test("with block_on_overflow a full queue has no room, and takes readings of scrapes that had begun", async () => {
  const { delivery, clock, calls, metrics, close } = delivering([], {
    queueSize: 2 * 1024,
    numConsumers: 1,
    blockOnOverflow: true,
  });
  assert.ok(delivery.enqueue({ bytes: KIB, points: 1 }));
  assert.equal(delivery.noRoom("s1"), undefined);
  assert.ok(delivery.enqueue({ bytes: KIB, points: 2 }));
  assert.equal(delivery.noRoom("s1"), "queue_full");
  assert.ok(delivery.enqueue({ bytes: KIB, points: 3 }), "a scrape had begun before");
  for (const index of [0, 1]) {
    calls[index]?.answer(OK);
    await clock.advance(0);
  }
  assert.equal(delivery.noRoom("s1"), undefined);
  calls[2]?.answer(OK);
  await clock.advance(0);
  assert.deepEqual(await metrics(), { [SENT]: 6, queue_capacity: 2 * 1024 });
  await close();
});

test("with wait_for_result a source has no room until all its requests are delivered or lost", async () => {
  const { delivery, clock, calls, close } = delivering([], { waitForResult: true });
  const rooms = () => ["s1", "s2", "s3"].map((source) => delivery.noRoom(source));
  const pending = "result_pending";
  for (const source of ["s1", "s1", "s2"]) delivery.enqueue({ bytes: KIB, points: 1, source });
  await clock.advance(0);
  assert.deepEqual(rooms(), [pending, pending, undefined]);
  calls[0]?.answer(OK);
  await clock.advance(0);
  assert.deepEqual(rooms(), [pending, pending, undefined]);
  calls[1]?.answer(BAD);
  await clock.advance(0);
  assert.deepEqual(rooms(), [undefined, pending, undefined]);
  calls[2]?.answer(OK);
  await clock.advance(0);
  assert.deepEqual(rooms(), [undefined, undefined, undefined]);
  await close();
});

test("a full queue takes ends of resources up to a limit", async () => {
  const { delivery, clock, calls, metrics, close } = delivering([], {
    queueSize: 8 * 1024,
    numConsumers: 1,
  });
  for (let count = 0; count < 8; count++) assert.ok(delivery.enqueue({ bytes: KIB, points: 1 }));
  const end = { bytes: KIB, points: 0, endPoints: 5, isEnd: true };
  assert.deepEqual(
    [1, 2, 3].map(() => delivery.enqueue(end)),
    [true, true, false],
  );
  for (let index = 0; index < 10; index++) {
    calls[index]?.answer(OK);
    await clock.advance(0);
  }
  const { [SENT]: sent, kata_collector_exporter_ended_points: ended } = await metrics();
  assert.deepEqual([sent, ended], [8, 10], "ended points are counted apart");
  await close();
});

test("without a queue a request is sent at once or lost", async () => {
  const { delivery, close } = delivering([], { enabled: false, numConsumers: 2 });
  assert.ok(delivery.enqueue({ bytes: KIB, points: 1 }));
  assert.ok(delivery.enqueue({ bytes: KIB, points: 1 }));
  assert.ok(!delivery.enqueue({ bytes: KIB, points: 1 }));
  await close();
});

test("no more than num_consumers are sent at once, in order", async () => {
  const { delivery, clock, calls, close } = delivering([], { numConsumers: 2 });
  for (let points = 1; points <= 4; points++) delivery.enqueue({ bytes: KIB, points });
  assert.deepEqual(
    calls.map(({ points }) => points),
    [1, 2],
  );
  calls[1]?.answer(OK);
  await clock.advance(0);
  assert.deepEqual(
    calls.map(({ points }) => points),
    [1, 2, 3],
  );
  await close();
});

test("the status is ok if the receiver rejects a part of a request, and an error if it rejects all", async () => {
  const rejecting = (rejectedPoints: number): Answer => ({
    kind: "delivered",
    rejectedPoints,
    message: "out of order",
  });
  const { delivery, clock, calls, states, close } = delivering();
  for (const outcome of [rejecting(1), rejecting(2), OK, DOWN]) {
    delivery.enqueue({ bytes: KIB, points: 2 });
    await clock.advance(0);
    calls.at(-1)?.answer(outcome);
    await clock.advance(0);
  }
  assert.deepEqual(states, [
    "starting",
    "ok",
    "recoverable_error the receiver rejects everything: out of order",
    "ok",
    "recoverable_error no connection",
  ]);
  await close();
});

test("the status has the error of the last attempt", async () => {
  const hung: Answer = { kind: "busy", status: "timeout", error: "no answer within 10s" };
  const { delivery, clock, calls, states, close } = delivering([], {}, {}, 0);
  delivery.enqueue({ bytes: KIB, points: 1 });
  for (const answer of [DOWN, hung, DOWN]) {
    await clock.advance(10_000);
    calls.at(-1)?.answer(answer);
    await clock.advance(0);
  }
  const error = "recoverable_error ";
  assert.deepEqual(states.slice(-3), [
    `${error}no connection`,
    `${error}no answer within 10s`,
    `${error}no connection`,
  ]);
  await close();
});

test("an attempt's signal aborts at its deadline", async () => {
  const { delivery, clock, calls, close } = delivering();
  delivery.enqueue({ bytes: KIB, points: 1 });
  await clock.advance(4_999);
  assert.equal(calls[0]?.signal.aborted, false);
  await clock.advance(1);
  assert.equal(calls[0]?.signal.aborted, true);
  await close();
});

test("a transport that rejects loses its request, with a reason", async () => {
  const { delivery, clock, calls, metrics, lines, close } = delivering();
  delivery.enqueue({ bytes: KIB, points: 9 });
  calls[0]?.answer(Promise.reject(new Error("oops")) as unknown as Answer);
  await clock.advance(0);
  assert.deepEqual(await metrics(), { [`${FAILED}{permanent}`]: 9, ...CAPACITY });
  assert.match(lines()[0].error, /BUG: Error: oops/);
  await close();
});

test("a shutdown sends the waiting requests, ends pauses, and tries each request once more", async () => {
  const { delivery, clock, calls, metrics, close } = delivering([DOWN], { numConsumers: 2 });
  delivery.enqueue({ bytes: KIB, points: 1 });
  await clock.advance(0);
  for (const points of [2, 4, 8]) delivery.enqueue({ bytes: KIB, points });
  assert.equal(calls.length, 1, "the exporter pauses");
  const stopped = delivery.shutdown(new AbortController().signal);
  await clock.advance(0);
  assert.deepEqual(
    calls.slice(1).map(({ points }) => points),
    [1, 2],
  );
  assert.ok(!delivery.enqueue({ bytes: KIB, points: 16 }));
  calls[1]?.answer(DOWN);
  await clock.advance(0);
  calls[2]?.answer(OK);
  await clock.advance(0);
  calls[3]?.answer(OK);
  calls[4]?.answer(OK);
  await stopped;
  const { [SENT]: sent, [`${FAILED}{shutdown}`]: lost } = await metrics();
  assert.deepEqual([sent, lost], [14, 1]);
  await close();
});

test("at the deadline of a shutdown the rest is lost, with a reason, and attempts are not waited for", async () => {
  const { delivery, calls, metrics, lines, close } = delivering([], { numConsumers: 1 });
  delivery.enqueue({ bytes: KIB, points: 1 });
  delivery.enqueue({ bytes: KIB, points: 2 });
  const deadline = new AbortController();
  const stopped = delivery.shutdown(deadline.signal);
  deadline.abort();
  await stopped;
  assert.equal(calls[0]?.signal.aborted, true);
  calls[0]?.answer(OK);
  assert.deepEqual(await metrics(), { [`${FAILED}{shutdown}`]: 3 });
  assert.equal(
    lines().reduce((sum, { dropped_items }) => sum + dropped_items, 0),
    3,
  );
  await delivery.shutdown(deadline.signal);
  await close();
});

test("waiting requests are sent together when they are enough, or when their time is over", async () => {
  const batch = { flushTimeoutMs: 200, min: { items: 10 }, maxBytes: 3 * 1024 };
  const { delivery, clock, calls, metrics, close } = delivering([OK, OK, OK], { batch, numConsumers: 1 });
  for (let count = 0; count < 3; count++) delivery.enqueue({ bytes: KIB, points: 3 });
  await clock.advance(199);
  assert.equal(calls.length, 0);
  await clock.advance(1);
  assert.deepEqual(
    calls.map(({ points }) => points),
    [9],
  );
  for (let count = 0; count < 4; count++) delivery.enqueue({ bytes: KIB, points: 3 });
  await clock.advance(0);
  assert.deepEqual(
    calls.map(({ points }) => points),
    [9, 9],
    "three of four fit into one request",
  );
  await clock.advance(200);
  assert.deepEqual(await metrics(), { [SENT]: 21, ...CAPACITY });
  await close();
});

test("a full queue with drop_oldest drops the oldest request instead of the newest, with a reason", async () => {
  const { delivery, clock, calls, metrics, lines, close } = delivering([], {
    queueSize: 3 * 1024,
    numConsumers: 1,
    overflow: "drop_oldest",
  });
  for (const points of [1, 2, 4, 8, 16]) assert.ok(delivery.enqueue({ bytes: KIB, points }));
  await clock.advance(0);
  assert.deepEqual(await metrics(), {
    [`${FAILED}{overflow}`]: 6,
    queue_size: 3 * 1024,
    queue_capacity: 3 * 1024,
    in_flight_requests: 1,
  });
  assert.equal(lines()[0].msg, "Exporting failed. Dropping data.");
  calls[0]?.answer(OK);
  await clock.advance(0);
  assert.equal(calls[1]?.points, 8, "the oldest that waited were dropped");
  await close();
});

test("requests that wait for another attempt are dropped like others, by overflow and by max_age", async () => {
  const { delivery, clock, metrics, close } = delivering(
    [DOWN, DOWN],
    { queueSize: 2 * 1024, numConsumers: 1, overflow: "drop_oldest", maxAgeMs: 60_000 },
    { initialIntervalMs: 300_000, maxIntervalMs: 300_000, maxElapsedMs: 0 },
  );
  delivery.enqueue({ bytes: KIB, points: 1 });
  await clock.advance(1_000);
  delivery.enqueue({ bytes: KIB, points: 2 });
  await clock.advance(1_000);
  assert.ok(delivery.enqueue({ bytes: KIB, points: 4 }));
  assert.equal((await metrics())[`${FAILED}{overflow}`], 1, "it had been tried, and was the oldest");
  await clock.advance(59_500);
  assert.ok(delivery.enqueue({ bytes: KIB, points: 8 }));
  assert.equal((await metrics())[`${FAILED}{max_age}`], 2);
  await close();
});

test("a request that has waited longer than max_age is dropped, with a reason", async () => {
  const { delivery, clock, calls, metrics, close } = delivering(
    [],
    { numConsumers: 1, maxAgeMs: 60_000 },
    { enabled: true },
    0,
  );
  delivery.enqueue({ bytes: KIB, points: 1 });
  delivery.enqueue({ bytes: KIB, points: 2 });
  await clock.advance(59_000);
  delivery.enqueue({ bytes: KIB, points: 4 });
  await clock.advance(2_000);
  calls.at(-1)?.answer(OK);
  await clock.advance(0);
  assert.equal(calls.at(-1)?.points, 4);
  assert.equal((await metrics())[`${FAILED}{max_age}`], 2);
  await close();
});

test("a queue is limited in the sizer's unit", async () => {
  const { delivery, metrics, close } = delivering([], { queueSize: 2, sizer: "requests" });
  assert.deepEqual(
    [1, 1, 1].map((points) => delivery.enqueue({ bytes: KIB, points })),
    [true, true, false],
  );
  assert.deepEqual(await metrics(), {
    enqueue_failed_metric_points: 1,
    queue_size: 2,
    queue_capacity: 2,
    in_flight_requests: 2,
  });
  await close();
});

test("with a storage, requests that are not delivered stay there and do not count as lost", async () => {
  const stored = new MemoryQueue();
  const storage: QueueStorage = { openQueue: () => stored };
  const first = delivering([DOWN, DOWN], { storage: "file_storage", numConsumers: 1 }, { maxElapsedMs: 1 });
  first.storages.add("file_storage", storage);
  await first.delivery.start();
  first.delivery.enqueue({ bytes: KIB, points: 7 });
  first.delivery.enqueue({ bytes: KIB, points: 5 });
  await first.clock.advance(0);
  assert.equal(first.calls.length, 1);
  await first.clock.advance(5_000);
  assert.equal(first.calls.length, 2, "max_elapsed_time does not delete what is on disk");
  await first.delivery.shutdown(AbortSignal.abort());
  assert.deepEqual(stored.size, { requests: 2, items: 12, bytes: 2_048 });
  assert.deepEqual(await first.metrics(), {});
  await first.close();
});

test("a storage that is missing or cannot be opened is named in the error", async () => {
  const without = delivering([], { storage: "file_storage/x" });
  await assert.rejects(without.delivery.start(), /"file_storage\/x" is not in service::extensions/);
  await without.close();
  const broken = delivering([], { storage: "file_storage" });
  broken.storages.add("file_storage", {
    openQueue() {
      throw new Error("directory is read-only");
    },
  });
  await assert.rejects(broken.delivery.start(), /directory is read-only/);
  await broken.close();
});
