// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { recordedLogger } from "../../../test/kit/component/logs.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import { BcryptQueue } from "./bcrypt_queue.ts";
import type { Comparison } from "./bcrypt_worker.ts";

/** A queue whose workers do nothing by themselves, with a clock that does not move by itself. */
function fakeQueue() {
  const clock = new FakeClock();
  const { logger, lines } = recordedLogger();
  const asked: string[] = [];
  const workers: EventEmitter[] = [];
  let ended = 0;
  const queue = new BcryptQueue({
    clock,
    logger,
    start() {
      const worker = Object.assign(new EventEmitter(), {
        postMessage: ({ password }: Comparison) => void asked.push(password),
        unref() {},
        terminate: async () => ++ended,
      });
      workers.push(worker);
      return worker;
    },
  });
  const compare = (peer: string, password: string) => queue.compare(peer, { password, hash: "hash" });
  return { queue, clock, lines, asked, workers, compare, ended: () => ended };
}

test("a flood from one peer is one comparison, and another peer's comes next", async () => {
  const { clock, asked, workers, compare } = fakeQueue();
  const first = compare("evil", "0");
  const refused = Array.from({ length: 1_000 }, (_, at) => compare("evil", `${at + 1}`));
  const honest = compare("honest", "right");
  assert.deepEqual(new Set(await Promise.all(refused)), new Set([undefined]));
  assert.deepEqual(asked, ["0"]);
  workers[0]?.emit("message", false);
  assert.equal(await first, false);
  assert.deepEqual(asked, ["0"], "ten a second begin");
  const again = compare("evil", "again");
  await clock.advance(100);
  assert.deepEqual(asked, ["0", "right"]);
  workers[0]?.emit("message", true);
  assert.equal(await honest, true);
  await clock.advance(100);
  workers[0]?.emit("message", false);
  assert.equal(await again, false);
  assert.equal(workers.length, 1);
});

test("the same password on several connections of a peer is compared once", async () => {
  const { asked, workers, compare } = fakeQueue();
  const all = [compare("a", "right"), compare("a", "right")];
  workers[0]?.emit("message", true);
  assert.deepEqual(await Promise.all(all), [true, true]);
  assert.deepEqual(asked, ["right"]);
});

test("the number of peers that wait is limited", async () => {
  const { asked, compare } = fakeQueue();
  for (let at = 0; at < 16; at++) void compare(`peer ${at}`, "a");
  assert.equal(await compare("one more", "a"), undefined);
  assert.deepEqual(asked, ["a"]);
});

test("a worker that dies costs one comparison, and is replaced", async () => {
  const { clock, asked, workers, lines, compare } = fakeQueue();
  const first = compare("a", "1");
  const second = compare("b", "2");
  workers[0]?.emit("error", new Error("out of memory"));
  workers[0]?.emit("exit", 1);
  assert.equal(await first, undefined);
  await clock.advance(100);
  assert.deepEqual(asked, ["1", "2"]);
  workers[0]?.emit("message", false);
  workers[1]?.emit("message", true);
  assert.equal(await second, true, "nothing of the dead worker counts");
  assert.deepEqual(
    lines.map(({ error }) => error),
    ["out of memory"],
  );
});

test("a worker without work ends, and one with work does not", async () => {
  const { clock, workers, compare, ended } = fakeQueue();
  const first = compare("a", "1");
  await clock.advance(120_000);
  assert.equal(ended(), 0);
  workers[0]?.emit("message", true);
  await first;
  await clock.advance(60_000);
  assert.equal(ended(), 1);
  void compare("a", "2");
  assert.equal(workers.length, 2);
});

test("closing ends what waits, and leaves no timer", async () => {
  const { queue, clock, compare, ended } = fakeQueue();
  const all = [compare("a", "1"), compare("b", "2")];
  await setImmediate();
  await queue.close();
  assert.deepEqual(await Promise.all(all), [undefined, undefined]);
  assert.equal(await compare("a", "1"), undefined);
  assert.equal(ended(), 1);
  assert.equal(clock.timerCount, 0);
});
