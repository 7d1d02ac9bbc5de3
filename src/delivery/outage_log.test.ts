// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogLine, recordedLogger } from "../../test/kit/component/logs.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import { OutageLog } from "./outage_log.ts";

const MIB = 1024 * 1024;
const REFUSED = "http://gateway:4318/v1/metrics: connect ECONNREFUSED";
const BEGIN = "The destination takes no data; retrying.";
const LOSING = "The destination takes no data; what is sent is lost, since retries are off.";
const HELD =
  "The destination refuses the exporter; check its address and credentials. The data is kept and tried again.";
const REMINDER = "The destination still takes no data.";
const NOW_AND_THEN = "The destination takes data now and then only.";
const END = "The destination takes data again.";

function scene() {
  const clock = new FakeClock();
  const { logger, lines } = recordedLogger();
  const queue = { size: 0, capacity: 64 * MIB, points: 0, inFlight: 0 };
  const log = new OutageLog({ clock, logger, readQueue: () => queue });
  let read = 0;
  /** The lines since it was asked last. */
  const said = (): readonly LogLine[] => {
    const fresh = lines.slice(read);
    read = lines.length;
    return fresh;
  };
  return {
    ...{ clock, queue, log },
    down: (error = REFUSED) => log.failed({ error, isHeld: false, retryMs: 5_000 }),
    held: () => log.failed({ error: "http://gateway: 401", isHeld: true, retryMs: 30_000 }),
    said,
    messages: () => said().map(({ msg }) => msg),
  };
}

test("an outage is one line when it begins and one when it ends, with what it cost", async () => {
  const { clock, queue, log, down, said } = scene();
  Object.assign(queue, { size: 2 * MIB, points: 1_000 });
  down();
  await clock.advance(5_000);
  down("http://gateway:4318/v1/metrics: no answer within 10s");
  log.dropped(70, "retries_exhausted");
  log.dropped(30, "retries_exhausted");
  log.dropped(5, "rejected");
  assert.equal(log.lastsMs, 5_000);
  await clock.advance(20_400);
  queue.points = 1_900;
  log.succeeded();
  log.succeeded();
  assert.deepEqual(said(), [
    {
      level: 40,
      error: REFUSED,
      retry_in: "5s",
      queue_size: 2 * MIB,
      queue_capacity: 64 * MIB,
      queued_points: 1_000,
      msg: BEGIN,
    },
    {
      level: 40,
      lasted: "25s",
      failed_attempts: 2,
      lost_points: { retries_exhausted: 100, rejected: 5 },
      delayed_points: 1_900,
      msg: END,
    },
  ]);
  assert.equal(log.lastsMs, 0);
  assert.equal(clock.timerCount, 0);
});

test("a long outage is said after a minute and every ten, with the latest error and when the queue will be full", async () => {
  const { clock, queue, log, down, said } = scene();
  down();
  said();
  queue.size = MIB;
  down("http://gateway:4318/v1/metrics: no answer within 10s");
  await clock.advance(60_000);
  const [first] = said();
  assert.deepEqual(
    [first?.["msg"], first?.["level"], first?.["lasted"], first?.["full_in"]],
    [REMINDER, 40, "1m", "1h3m"],
  );
  assert.equal(first?.["error"], "http://gateway:4318/v1/metrics: no answer within 10s");
  await clock.advance(599_999);
  assert.deepEqual(said(), []);
  await clock.advance(1);
  assert.equal(said()[0]?.["full_in"], undefined, "it does not fill any more");
  queue.size = 64 * MIB;
  await clock.advance(600_000);
  assert.equal(said()[0]?.["full_in"], "0s");
  log.close();
  assert.equal(clock.timerCount, 0);
});

test("a refusal of the exporter is said once per outage, also where the outage began otherwise", async () => {
  const { clock, log, down, held, messages } = scene();
  down();
  for (let count = 0; count < 3; count++) {
    held();
    down();
  }
  assert.deepEqual(messages(), [BEGIN, HELD]);
  log.succeeded();
  await clock.advance(60_000);
  held();
  held();
  assert.deepEqual(messages(), [END, HELD]);
  log.close();
});

test("where retries are off, the line says that data is lost", () => {
  const { log, messages } = scene();
  log.failed({ error: REFUSED, isHeld: false, retryMs: undefined });
  log.failed({ error: REFUSED, isHeld: true, retryMs: undefined });
  assert.deepEqual(messages(), [LOSING]);
  log.close();
});

test("a destination that comes and goes is one outage, which ends when it has been well for a minute", async () => {
  const { clock, log, down, said, messages } = scene();
  down();
  log.succeeded();
  assert.deepEqual(messages(), [BEGIN, END]);
  for (let count = 0; count < 5; count++) {
    await clock.advance(5_000);
    down();
    await clock.advance(5_000);
    assert.equal(log.lastsMs, 5_000, "since it took data last");
    log.succeeded();
    assert.equal(log.lastsMs, 0);
  }
  assert.deepEqual(messages(), [BEGIN]);
  await clock.advance(59_999);
  const [line] = said();
  assert.equal(line?.["msg"], NOW_AND_THEN);
  await clock.advance(1);
  const [end] = said();
  assert.deepEqual([end?.["msg"], end?.["lasted"], end?.["failed_attempts"]], [END, "45s", 5]);
  await clock.advance(60_000);
  down();
  log.succeeded();
  assert.deepEqual(messages(), [BEGIN, END], "that is another outage");
  log.close();
  assert.equal(clock.timerCount, 0);
});

test("an exporter that ends says what an outage has cost until then", async () => {
  const lasting = scene();
  lasting.down();
  await lasting.clock.advance(5_000);
  lasting.log.dropped(7, "shutdown");
  lasting.log.close();
  const [, last] = lasting.said();
  assert.deepEqual(last, {
    level: 40,
    lasted: "5s",
    failed_attempts: 1,
    lost_points: { shutdown: 7 },
    error: REFUSED,
    msg: "The exporter ends before the destination takes data again.",
  });
  const passing = scene();
  for (let count = 0; count < 2; count++) {
    passing.down();
    passing.log.succeeded();
  }
  passing.log.close();
  assert.deepEqual(passing.messages(), [BEGIN, END, BEGIN, END]);
  for (const { clock } of [lasting, passing]) assert.equal(clock.timerCount, 0);
});
