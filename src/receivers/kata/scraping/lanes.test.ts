// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../../clock/clock.ts";
import { FakeClock } from "../../../clock/fake_clock.ts";
import { Lanes } from "./lanes.ts";

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a limited number of jobs runs at a time, in order, and one that fails does not affect the others", async () => {
  let made = 0;
  const lanes = new Lanes({ clock: systemClock, limit: 2, make: () => ++made });
  const log: string[] = [];
  let running = 0;
  let most = 0;
  const job = (name: string) => async () => {
    most = Math.max(most, ++running);
    await settle();
    log.push(name);
    running--;
    if (name === "2") throw new Error("fails");
  };
  const results = await Promise.allSettled(["1", "2", "3", "4", "5"].map((name) => lanes.run(job(name))));
  assert.equal(most, 2);
  assert.equal(made, 2, "what a job worked with serves the next one");
  assert.deepEqual(
    results.map(({ status }) => status === "fulfilled"),
    [true, false, true, true, true],
  );
  assert.deepEqual(log, ["1", "2", "3", "4", "5"]);
});

test("slow jobs delay the others for only a second, and are limited in number, too", async () => {
  const clock = new FakeClock();
  const lanes = new Lanes({ clock, limit: 1, make: () => ({}) });
  const stuck = Promise.withResolvers<void>();
  let begun = 0;
  const hang = (): Promise<void> => {
    begun++;
    return stuck.promise;
  };
  const jobs = Array.from({ length: 20 }, () => lanes.run(hang));
  assert.equal(begun, 1);
  await clock.advance(1_000);
  assert.equal(begun, 2);
  await clock.advance(3_000);
  assert.equal(begun, 5);
  await clock.advance(60_000);
  assert.equal(begun, 9, "one in its place, eight slow ones beside it");
  stuck.resolve();
  await Promise.all(jobs);
  assert.equal(begun, 20);
  assert.equal(clock.timerCount, 0);
  let most = 0;
  let running = 0;
  const quick = async (): Promise<void> => {
    most = Math.max(most, ++running);
    await settle();
    running--;
  };
  await Promise.all(Array.from({ length: 5 }, () => lanes.run(quick)));
  assert.equal(most, 1, "the slow ones' places are not kept");
});
