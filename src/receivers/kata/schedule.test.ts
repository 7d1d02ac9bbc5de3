import assert from "node:assert/strict";
import { test } from "node:test";
import { nextDelayMs, nextLookMs, phaseOf, Slots } from "./schedule.ts";

test("a sandbox is scraped when its phase of the interval comes", () => {
  assert.equal(nextDelayMs(0, 0.5, 10_000, 0), 5_000);
  assert.equal(nextDelayMs(5_000, 0.5, 10_000, 0), 10_000);
  assert.equal(nextDelayMs(12_000, 0.9, 10_000, 0), 7_000);
});

test("a tick that is less than half an interval away is left out", () => {
  assert.equal(nextDelayMs(4_000, 0.5, 10_000, 0), 11_000);
});

test("a scrape that took long keeps its phase", () => {
  assert.equal((25_300 + nextDelayMs(25_300, 0.5, 10_000, 0)) % 10_000, 5_000);
});

test("time-outs double the pause up to five minutes", () => {
  assert.equal(nextDelayMs(0, 0.5, 15_000, 1), 30_000);
  assert.equal(nextDelayMs(0, 0.5, 15_000, 2), 60_000);
  assert.equal(nextDelayMs(0, 0.5, 15_000, 60), 300_000);
  assert.equal(nextDelayMs(0, 0.5, 600_000, 1), 600_000);
});

test("phases spread over the slots of an interval and stay the same", () => {
  const phases = Array.from({ length: 1_600 }, (_, index) => phaseOf(`sandbox-${index}`));
  const slots = Map.groupBy(phases, (phase) => phase);
  assert.equal(slots.size, 16);
  for (const [phase, { length }] of slots) assert.ok(length > 60 && length < 140, `${length} at ${phase}`);
  assert.equal(phaseOf("a"), phaseOf("a"));
});

test("looks for a socket get rarer", () => {
  assert.ok(nextLookMs(0) < nextLookMs(60_000));
  assert.ok(nextLookMs(60_000) < 1_000, "within a second of its socket a sandbox is seen");
  assert.ok(nextLookMs(3_600_000) > nextLookMs(60_000));
});

test("slots run so many jobs at a time, in their order, and outlive one that fails", async () => {
  const slots = new Slots(["a", "b"]);
  const log: string[] = [];
  let running = 0;
  let most = 0;
  const job = (name: string) => async (slot: string) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    log.push(name + slot);
    running--;
    if (name === "2") throw new Error("fails");
  };
  const results = await Promise.allSettled(["1", "2", "3", "4", "5"].map((name) => slots.run(job(name))));
  assert.equal(most, 2);
  assert.deepEqual(
    results.map(({ status }) => status === "fulfilled"),
    [true, false, true, true, true],
  );
  assert.deepEqual(
    log.map((entry) => entry[0]),
    ["1", "2", "3", "4", "5"],
  );
});
