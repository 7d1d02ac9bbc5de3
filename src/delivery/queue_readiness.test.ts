// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { testSettings } from "../../test/kit/component/settings.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import type { Answer } from "../peer/answer.ts";
import { queueSchema } from "./config.ts";
import { DeliveryChain } from "./delivery_chain.ts";
import { MemoryQueue } from "./memory_queue.ts";
import type { RequestQueue } from "./queue.ts";
import { QUEUE_STORAGES } from "./queue_storage.ts";
import { retrySchema } from "./retry_config.ts";

const OK: Answer = { kind: "delivered", rejectedPoints: 0, message: "" };
const REQUEST = { bytes: new Uint8Array(1024), points: 1 };
/** Full with two requests, of which one at a time is on its way. */
const SMALL = {
  queue_size: 2,
  sizer: "requests",
  num_consumers: 1,
  batch: { max_size: "64KiB", min_size: 0 },
};

/** A delivery with a queue of these options, whose requests are answered by the test alone. */
function scene(queue: object) {
  const clock = new FakeClock();
  const settings = testSettings({ id: "otlp_http", clock });
  const answers: ((answer: Answer) => void)[] = [];
  const delivery = new DeliveryChain({
    type: "otlp_http",
    settings,
    config: {
      timeoutMs: 0,
      retryOnFailure: retrySchema.parse({}),
      sendingQueue: queueSchema.parse({ ...SMALL, ...queue }),
    },
    random: () => 0,
    send: () => new Promise((resolve) => answers.push(resolve)),
  });
  return {
    ...{ delivery, clock, storages: settings.host.single(QUEUE_STORAGES) },
    take: (): boolean => delivery.enqueue(REQUEST),
    unready: () => settings.host.statuses.unreadyReasons(),
    async deliverOne(): Promise<void> {
      answers.at(-1)?.(OK);
      await clock.advance(0);
    },
    async close(): Promise<void> {
      await delivery.shutdown(AbortSignal.abort());
      assert.equal(clock.timerCount, 0, "no timer is left");
    },
  };
}

function held(words: string): readonly string[] {
  return [`exporter "otlp_http": its queue ${words}`];
}

const FULL = held("takes no readings: sending queue is full");

test("a queue that refuses keeps the agent from being ready until it has taken everything for a while", async () => {
  const { delivery, clock, take, deliverOne, unready, close } = scene({});
  await delivery.start();
  assert.deepEqual([take(), take()], [true, true]);
  assert.deepEqual(unready(), [], "a full queue has refused nothing yet");
  assert.equal(take(), false);
  assert.deepEqual(unready(), FULL);
  await clock.advance(60_000);
  assert.deepEqual(unready(), FULL, "nothing has left");
  for (let count = 0; count < 5; count++) {
    await deliverOne();
    assert.deepEqual([take(), take()], [true, false], "it has room for one of two");
    await clock.advance(20_000);
    assert.deepEqual(unready(), FULL);
  }
  await deliverOne();
  assert.deepEqual(unready(), FULL, "it refused one twenty seconds ago");
  await clock.advance(10_000);
  assert.deepEqual(unready(), []);
  await close();
});

test("a queue that drops its oldest, or whose sources must wait, keeps the agent from being ready; no queue does not", async () => {
  const check = async (queue: object, wanted: readonly string[]): Promise<void> => {
    const { delivery, take, unready, close } = scene(queue);
    await delivery.start();
    for (let count = 0; count < 4; count++) if (delivery.noRoom("s1") === undefined) take();
    assert.deepEqual(unready(), wanted);
    await close();
    assert.deepEqual(unready(), [], "it ends with the exporter");
  };
  await check({ overflow: "drop_oldest" }, held("loses its oldest readings: sending queue is full"));
  await check({ block_on_overflow: true }, FULL);
  await check({ enabled: false }, []);
});

test("a queue on disk that is full from before keeps the agent from being ready before anything comes", async () => {
  const check = async (waiting: number, change: object, wanted: readonly string[]): Promise<void> => {
    const { delivery, storages, unready, close } = scene({ storage: "disk" });
    const queue = new MemoryQueue();
    for (let count = 0; count < waiting; count++) queue.add(REQUEST, 0);
    storages.add("disk", { openQueue: () => Object.assign(queue, change) });
    await delivery.start();
    assert.deepEqual(unready(), wanted);
    await close();
  };
  await check(1, {}, []);
  await check(2, {}, FULL);
  await check(1, { hasSpace: false }, held("takes no readings: its storage has no space"));
});

test("a disk that is full keeps the agent from being ready, for the latest reason, until it has space", async () => {
  const { delivery, clock, storages, take, unready, close } = scene({ storage: "disk" });
  let error = "the storage's quota is used up";
  const disk = Object.assign(new MemoryQueue(), { add: () => error });
  storages.add("disk", { openQueue: () => disk as RequestQueue });
  await delivery.start();
  assert.deepEqual(unready(), []);
  take();
  assert.deepEqual(unready(), held("takes no readings: the storage's quota is used up"));
  error = "ENOSPC: no space left on device, write";
  Object.assign(disk, { hasSpace: false });
  take();
  assert.deepEqual(unready(), held("takes no readings: ENOSPC: no space left on device, write"));
  await clock.advance(60_000);
  assert.equal(unready().length, 1);
  Object.assign(disk, { hasSpace: true });
  await clock.advance(30_000);
  assert.deepEqual(unready(), []);
  await close();
});
