// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../clock/clock.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import { every, Lanes, nextVisitMs, pauseMs, phaseOf } from "./schedule.ts";
import { newStanding, type Standing } from "./standing.ts";

interface Row extends Partial<Standing> {
  readonly nowMs?: number;
  readonly phase?: number;
  readonly intervalMs?: number;
  readonly ageMs?: number;
  readonly waiting?: number;
}

function check(row: Row, want: number): void {
  const { nowMs = 0, phase = 0.5, intervalMs = 10_000, ageMs = 60_000, waiting = 1, ...standing } = row;
  const time = { nowMs, phase, intervalMs, ageMs, waiting };
  assert.equal(
    nextVisitMs({ ...newStanding({ unixMs: 0, monotonicMs: 0 }), state: "up", ...standing }, time),
    want,
    JSON.stringify(row),
  );
}

test("a sandbox is scraped when its phase of the interval comes", () => {
  check({ nowMs: 0, phase: 0.5 }, 5_000);
  check({ nowMs: 5_000, phase: 0.5 }, 10_000);
  check({ nowMs: 12_000, phase: 0.9 }, 7_000);
  check({ nowMs: 12_000, phase: 0.9, state: "failing" }, 7_000);
  check({ nowMs: 12_000, phase: 0.9, state: "unsafe" }, 7_000);
});

test("a tick that is less than half an interval away is left out", () => {
  check({ nowMs: 4_000, phase: 0.5 }, 11_000);
});

test("a scrape that took long keeps its phase", () => {
  check({ nowMs: 25_300, phase: 0.5 }, 9_700);
});

test("broken-off scrapes double the pause up to five minutes", () => {
  assert.equal(pauseMs(1, 15_000), 30_000);
  assert.equal(pauseMs(2, 15_000), 60_000);
  assert.equal(pauseMs(60, 15_000), 300_000);
  assert.equal(pauseMs(1, 600_000), 600_000);
});

test("a sandbox whose scrapes are put off is visited when the pause is over, by the clock that does not jump", () => {
  check({ nowMs: 12_000, state: "failing", nextScrape: { unixMs: 0, monotonicMs: 42_000 } }, 30_000);
  check({ nowMs: 50_000, state: "failing", nextScrape: { unixMs: 0, monotonicMs: 42_000 } }, 0);
});

test("a socket is looked for at least once a second, at first more often", () => {
  check({ state: "pending", ageMs: 0 }, 200);
  check({ state: "pending", ageMs: 60_000 }, 900);
  check({ state: "pending", ageMs: 3_600_000 }, 900);
});

test("thousands that wait for a socket are looked at more rarely, the new ones among them still within a second or so", () => {
  check({ state: "pending", ageMs: 0, waiting: 400 }, 200);
  check({ state: "pending", ageMs: 0, waiting: 4_000 }, 1_000);
  check({ state: "pending", ageMs: 60_000, waiting: 400 }, 900);
  check({ state: "pending", ageMs: 60_000, waiting: 4_000 }, 8_000);
});

test("a refused connection is soon tried again, a socket left over once per interval", () => {
  check({ state: "stale", refusals: 1 }, 200);
  check({ state: "stale", refusals: 3 }, 800);
  check({ state: "stale", refusals: 20 }, 5_000);
});

test("phases spread over the slots of an interval and stay the same", () => {
  const phases = Array.from({ length: 1_600 }, (_, index) => phaseOf(`sandbox-${index}`));
  const slots = Map.groupBy(phases, (phase) => phase);
  assert.equal(slots.size, 16);
  for (const [phase, { length }] of slots) assert.ok(length > 60 && length < 140, `${length} at ${phase}`);
  assert.equal(phaseOf("a"), phaseOf("a"));
});

test("a job runs once per interval until it is cancelled, also by itself", async () => {
  const clock = new FakeClock();
  let runs = 0;
  const cancel = every(clock, 1_000, () => {
    if (++runs === 3) cancel();
  });
  await clock.advance(999);
  assert.equal(runs, 0);
  await clock.advance(60_000);
  assert.equal(runs, 3);
  assert.equal(clock.timerCount, 0);
});

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("so many jobs run at a time, in their order, and one that fails harms no other", async () => {
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

test("slow jobs hold up the others for a second only, and are limited in number too", async () => {
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
