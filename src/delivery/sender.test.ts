// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { countingMeter } from "../../test/kit/component/counters.ts";
import { type LogLine, recordedLogger } from "../../test/kit/component/logs.ts";
import { testSettings } from "../../test/kit/component/settings.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import type { Answer } from "../peer/answer.ts";
import type { Batch } from "./attempt.ts";
import { queueSchema } from "./config.ts";
import { DeliveryChain } from "./delivery_chain.ts";
import { retrySchema } from "./retry_config.ts";

// What answers do to what waits. Requests are one byte of their number, so that a batch shows which ones it has.

const OK: Answer = { kind: "delivered", rejectedPoints: 0, message: "" };
const BUSY: Answer = { kind: "busy", status: "503", error: "busy" };
const HOLD: Answer = { kind: "hold", status: "401", error: "http://peer/: 401 Unauthorized" };
const LARGE: Answer = { kind: "split", status: "413", error: "too large", isTooLarge: true };
const BAD: Answer = { kind: "split", status: "400", error: "bad" };

const SENT = "otelcol_exporter_sent_metric_points";
const FAILED = "otelcol_exporter_send_failed_metric_points";
const REJECTED = "otelcol_exporter_enqueue_failed_metric_points";

interface Options {
  readonly queue?: object;
  readonly retry?: object;
  /** Of each request; 100 if left out. */
  readonly bytes?: number;
}

/** A delivery to a peer that is a function; each request is of one point. */
async function delivering(
  peer: (batch: Batch) => Answer | Promise<Answer>,
  { queue = {}, retry = {}, bytes = 100 }: Options = {},
) {
  const clock = new FakeClock();
  const { meter, sum } = countingMeter();
  const { logger, lines } = recordedLogger();
  const settings = testSettings({ id: "otlp_http", clock, meter, logger });
  const sent: number[][] = [];
  const delivered: number[] = [];
  const delivery = new DeliveryChain({
    type: "otlp_http",
    settings,
    config: {
      timeoutMs: 5_000,
      retryOnFailure: retrySchema.parse({ randomization_factor: 0, ...retry }),
      sendingQueue: queueSchema.parse({ num_consumers: 1, ...queue }),
    },
    random: () => 0,
    send: async (batch) => {
      const numbers = batch.parts.map((part) => part[0] ?? Number.NaN);
      sent.push(numbers);
      const answer = await peer(batch);
      if (answer.kind === "delivered") delivered.push(...numbers);
      return answer;
    },
  });
  await delivery.start();
  const give = (...numbers: readonly number[]): void => {
    for (const number of numbers)
      delivery.enqueue({ bytes: new Uint8Array(bytes).fill(number), points: 1, source: `s${number}` });
  };
  return {
    ...{ delivery, clock, sent, delivered, give, sum },
    lines: lines as readonly LogLine[],
    status: () => settings.host.statuses.components()[0],
  };
}

type Scene = Awaited<ReturnType<typeof delivering>>;

async function ended(context: TestContext, scene: Promise<Scene>): Promise<Scene> {
  const made = await scene;
  context.after(async () => {
    await made.delivery.shutdown(AbortSignal.abort());
    assert.equal(made.clock.timerCount, 0, "no timer is left");
  });
  return made;
}

test("a batch that is too large is halved until it passes; then batches are no larger, and the log names the option", async (context) => {
  const peer = ({ bytes }: Batch): Answer => (bytes > 300_000 ? LARGE : OK);
  const { clock, give, sent, delivered, lines, sum } = await ended(
    context,
    delivering(peer, { bytes: 100_000 }),
  );
  give(1, 2, 3, 4, 5, 6, 7, 8);
  await clock.advance(200);
  assert.deepEqual(
    sent.map((batch) => batch.length),
    [8, 4, 2, 2, 2, 2],
  );
  assert.deepEqual(delivered, [1, 2, 3, 4, 5, 6, 7, 8], "in their order");
  give(9, 10, 11, 12);
  await clock.advance(200);
  assert.deepEqual(sent.slice(6), [
    [9, 10],
    [11, 12],
  ]);
  const said = lines.filter(({ option }) => option === "sending_queue::batch::max_size");
  assert.deepEqual(
    said.map(({ bytes }) => bytes),
    [200_000],
  );
  assert.deepEqual([sum(SENT), sum(FAILED)], [12, 0]);
});

test("two batches that are too large at one time say once how large batches may be", async (context) => {
  let isFirst = true;
  const peer = ({ bytes }: Batch): Answer => {
    // The second goes out while the first is on its way.
    if (isFirst) {
      isFirst = false;
      scene.give(11, 12, 13, 14, 15, 16, 17, 18);
    }
    return bytes > 300 ? LARGE : OK;
  };
  const queue = { num_consumers: 2, batch: { max_size: 8 } };
  const scene = await ended(context, delivering(peer, { queue }));
  scene.give(1, 2, 3, 4, 5, 6);
  await scene.clock.advance(200);
  assert.deepEqual(
    scene.lines.filter(({ option }) => option !== undefined).map(({ bytes }) => bytes),
    [300],
  );
  await scene.clock.advance(200);
  assert.equal(scene.sum(SENT), 14);
});

test("a peer that refuses at random, or takes more an hour later, does not keep batches small", async (context) => {
  let limit = 0;
  const peer = ({ bytes }: Batch): Answer => (bytes > limit ? LARGE : OK);
  const { clock, give, sent } = await ended(context, delivering(peer, { bytes: 1_000 }));
  limit = 2_500;
  give(1, 2, 3, 4, 5, 6, 7, 8);
  await clock.advance(60_000);
  limit = 1_000_000;
  give(1, 2, 3, 4, 5, 6, 7, 8);
  await clock.advance(200);
  assert.equal(sent.at(-1)?.length, 8, "64 KiB go out together in any case");
});

test("where nothing of two batches passes, the next one does not follow at once", async (context) => {
  const peer = ({ parts }: Batch): Answer => (parts[0]?.[0] === 100 ? OK : BAD);
  const scene = await ended(context, delivering(peer));
  const after = async (ms: number, ...numbers: readonly number[]): Promise<number> => {
    scene.give(...numbers);
    await scene.clock.advance(ms);
    return scene.sum(FAILED);
  };
  assert.equal(await after(200, 1), 1);
  await after(200, 100);
  assert.equal(await after(200, 2), 2, "another one had passed");
  assert.equal(await after(200, 3, 4), 4);
  assert.equal(await after(4_000, 5), 4);
  assert.equal(await after(1_500), 5);
});

test("of a batch with a bad request only that one is dropped, and the size of batches stays", async (context) => {
  const peer = ({ parts }: Batch): Answer => (parts.some(([number]) => number === 5) ? BAD : OK);
  const { clock, give, sent, delivered, sum, status, lines } = await ended(context, delivering(peer));
  give(1, 2, 3, 4, 5, 6, 7, 8);
  await clock.advance(200);
  assert.deepEqual(delivered, [1, 2, 3, 4, 6, 7, 8]);
  assert.equal(sum(FAILED, { reason: "permanent", "error.type": "400" }), 1);
  assert.equal(status()?.state, "ok", "the last ones were taken");
  give(11, 12, 13, 14, 15, 16, 17, 18);
  await clock.advance(200);
  assert.equal(sent.at(-1)?.length, 8);
  assert.equal(lines.filter(({ option }) => option !== undefined).length, 0);
});

test("while the exporter is refused, nothing is dropped, however long; it says so, and recovers by itself", async (context) => {
  let answer: Answer = HOLD;
  const scene = await ended(
    context,
    delivering(() => answer),
  );
  const { clock, give, sent, delivered, status, sum, lines } = scene;
  give(1, 2, 3);
  await clock.advance(3_600_000);
  assert.ok(sent.length < 130, `${sent.length} attempts in an hour`);
  assert.deepEqual(
    [status()?.state, status()?.error],
    ["permanent_error", HOLD.kind === "hold" && HOLD.error],
  );
  assert.match(String(lines[0]?.["msg"]), /check its address and credentials/);
  answer = OK;
  await clock.advance(31_000);
  assert.deepEqual(delivered, [1, 2, 3]);
  assert.equal(status()?.state, "ok");
  assert.deepEqual([sum(SENT), sum(FAILED)], [3, 0]);
});

test("a peer that takes its time to refuse the exporter costs nothing either", async (context) => {
  let answer: Answer = HOLD;
  const peer = (): Promise<Answer> =>
    new Promise((resolve) => scene.clock.after(3_000, () => resolve(answer)));
  const scene = await ended(context, delivering(peer, { retry: { max_elapsed_time: "10s" } }));
  scene.give(1);
  await scene.clock.advance(600_000);
  assert.ok(scene.sent.length > 10, `${scene.sent.length} attempts of 3 s`);
  answer = OK;
  await scene.clock.advance(40_000);
  assert.deepEqual([scene.delivered, scene.sum(FAILED)], [[1], 0]);
});

test("what a refused exporter cannot keep is dropped under the queue's rules: its size and max_age", async (context) => {
  const queue = { queue_size: 3, sizer: "requests", max_age: "1m" };
  const scene = await ended(
    context,
    delivering(() => HOLD, { queue }),
  );
  scene.give(1, 2, 3, 4);
  assert.equal(scene.sum(REJECTED), 1);
  await scene.clock.advance(120_000);
  assert.equal(scene.sum(FAILED, { reason: "max_age" }), 3);
});

test("a peer that asks for ten minutes is asked once in them, and they do not count as retries", async (context) => {
  let answers: Answer[] = [{ ...BUSY, delayMs: 600_000 } as Answer];
  const peer = (): Answer => answers.shift() ?? OK;
  const scene = await ended(context, delivering(peer, { retry: { max_elapsed_time: "1m" } }));
  const { clock, give, sent, delivered } = scene;
  give(1);
  await clock.advance(200);
  give(2);
  await clock.advance(599_999);
  assert.equal(sent.length, 1);
  answers = [{ ...BUSY, delayMs: 600_000 } as Answer];
  await clock.advance(1);
  assert.equal(sent.length, 2);
  await clock.advance(600_000);
  assert.deepEqual(delivered, [1, 2]);
  assert.equal(scene.sum(FAILED), 0);
});

test("a pause that a peer asked for costs no request its patience that fails in it without a word", async (context) => {
  for (const first of [{ ...BUSY, delayMs: 600_000 } as Answer, HOLD]) {
    const answers: Answer[] = [first, BUSY];
    const peer = (): Answer => answers.shift() ?? OK;
    const queue = { num_consumers: 2, batch: { max_size: 1 } };
    const retry = { initial_interval: "50s", max_interval: "50s", max_elapsed_time: "45s" };
    const { clock, give, sent, delivered, sum } = await ended(context, delivering(peer, { queue, retry }));
    give(1, 2);
    await clock.advance(0);
    assert.equal(sent.length, 2, "both were on their way when the peer said so");
    await clock.advance(660_000);
    assert.deepEqual([sum(FAILED), delivered], [0, [1, 2]]);
  }
});

test("a peer in trouble without a word costs what was tried for max_elapsed_time, and nothing younger", async (context) => {
  const scene = await ended(
    context,
    delivering(() => BUSY, { retry: { max_elapsed_time: "1m" } }),
  );
  const { clock, give, sum } = scene;
  give(1);
  await clock.advance(55_000);
  give(2);
  await clock.advance(30_000);
  assert.equal(sum(FAILED, { reason: "retries_exhausted" }), 1);
  await clock.advance(120_000);
  assert.equal(sum(FAILED, { reason: "retries_exhausted" }), 2);
});

test("while one request probes, no other goes out, whatever num_consumers says", async (context) => {
  let onTheirWay = 0;
  let most = 0;
  const peer = (): Answer => {
    most = Math.max(most, ++onTheirWay);
    queueMicrotask(() => onTheirWay--);
    return BUSY;
  };
  const batch = { min_size: 1, max_size: 1, sizer: "items" };
  const scene = await ended(
    context,
    delivering(peer, { queue: { num_consumers: 10, batch, queue_size: "64MiB" } }),
  );
  scene.give(...Array.from({ length: 20 }, (_, index) => index));
  await scene.clock.advance(0);
  const first = scene.sent.length;
  assert.ok(first <= 10, `${first} before the first answer`);
  await scene.clock.advance(60_000);
  assert.equal(scene.sent.length - first, 4, "one each after 5, 12.5, 23.75 and 40.6 s");
});

test("a transport that never ends costs its attempt, and not the exporter", async (context) => {
  let isStuck = true;
  const peer = (): Answer | Promise<Answer> => (isStuck ? new Promise(() => {}) : OK);
  const scene = await ended(context, delivering(peer));
  scene.give(1);
  await scene.clock.advance(7_200);
  isStuck = false;
  assert.match(String(scene.status()?.error), /^BUG: an attempt has not ended/);
  await scene.clock.advance(6_000);
  assert.deepEqual(scene.delivered, [1]);
});

test("an exporter whose queue turns data away is not well, until it takes some again", async (context) => {
  const queue = { queue_size: 2, sizer: "requests", num_consumers: 1 };
  let answer: Answer = OK;
  const scene = await ended(
    context,
    delivering(() => answer, { queue }),
  );
  const { give, clock, status } = scene;
  give(1);
  await clock.advance(200);
  assert.equal(status()?.state, "ok");
  give(2, 3, 4);
  assert.deepEqual([status()?.state, status()?.error], ["recoverable_error", "sending queue is full"]);
  await clock.advance(200);
  give(5);
  assert.equal(status()?.state, "ok");
  answer = HOLD;
  await clock.advance(200);
  give(6, 7);
  assert.equal(status()?.state, "permanent_error", "what is wrong with the peer says more");
});

test("statuses mean what retryable_status_codes and dropped_status_codes say", async (context) => {
  const codes = { retryable_status_codes: [401], dropped_status_codes: [503, "UNAVAILABLE"] };
  const scene = await ended(
    context,
    delivering(() => BUSY, { retry: codes }),
  );
  scene.give(1, 2);
  await scene.clock.advance(200);
  assert.equal(scene.sum(FAILED, { reason: "permanent", "error.type": "503" }), 2);
  const retrying = await ended(
    context,
    delivering(() => HOLD, { retry: { ...codes, max_elapsed_time: "1m" } }),
  );
  retrying.give(1);
  await retrying.clock.advance(120_000);
  assert.equal(retrying.sum(FAILED, { reason: "retries_exhausted" }), 1);
});

test("what came before the start waits for it", async () => {
  const clock = new FakeClock();
  const settings = testSettings({ id: "otlp_http", clock });
  const config = {
    timeoutMs: 0,
    retryOnFailure: retrySchema.parse({}),
    sendingQueue: queueSchema.parse({ start_spread: "10s" }),
  };
  const sent: Batch[] = [];
  const send = (batch: Batch): Promise<Answer> => {
    sent.push(batch);
    return Promise.resolve(OK);
  };
  const delivery = new DeliveryChain({ type: "otlp_http", settings, config, send, random: () => 0.5 });
  assert.ok(delivery.enqueue({ bytes: new Uint8Array(1), points: 1 }));
  await clock.advance(60_000);
  assert.equal(sent.length, 0);
  await delivery.start();
  await clock.advance(4_999);
  assert.equal(sent.length, 0, "the first push is spread");
  await clock.advance(1);
  assert.equal(sent.length, 1);
  await delivery.shutdown(AbortSignal.abort());
});

test("whatever a peer answers, what was taken is delivered or counted, to the point", async () => {
  const answers = fc.array(
    fc.constantFrom(OK, BUSY, HOLD, LARGE, BAD, { ...BUSY, delayMs: 60_000 } as Answer),
    {
      maxLength: 80,
    },
  );
  const queues = fc.record({
    queue_size: fc.integer({ min: 1, max: 20 }),
    num_consumers: fc.integer({ min: 1, max: 4 }),
    overflow: fc.constantFrom("refuse_newest", "drop_oldest"),
    max_age: fc.constantFrom("0s", "20s"),
  });
  await fc.assert(
    fc.asyncProperty(answers, queues, fc.boolean(), async (script, options, isUpAtEnd) => {
      const left = [...script];
      const peer = (): Answer => left.shift() ?? (isUpAtEnd ? OK : BUSY);
      const queue = { ...options, sizer: "requests", batch: { flush_timeout: "1ms" } };
      const { delivery, clock, give, delivered, sum } = await delivering(peer, {
        queue,
        retry: { max_elapsed_time: "2m" },
      });
      for (let number = 1; number <= 40; number++) {
        give(number);
        await clock.advance(7_000);
      }
      await delivery.shutdown(isUpAtEnd ? new AbortController().signal : AbortSignal.abort());
      assert.equal(sum(SENT) + sum(FAILED) + sum(REJECTED), 40);
      assert.equal(sum(SENT), delivered.length);
      assert.equal(new Set(delivered).size, delivered.length, "nothing is delivered twice");
      if (options.num_consumers === 1)
        assert.deepEqual(
          delivered,
          delivered.toSorted((one, other) => one - other),
        );
      assert.equal(clock.timerCount, 0);
    }),
    { numRuns: 150 },
  );
});
