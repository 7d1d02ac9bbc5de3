// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Condition, newCondition } from "./condition.ts";
import { nextVisitMs, phaseOf } from "./schedule.ts";

interface Row extends Partial<Condition> {
  readonly nowMs?: number;
  readonly phase?: number;
  readonly intervalMs?: number;
  readonly ageMs?: number;
  readonly waiting?: number;
}

function check(row: Row, want: number): void {
  const { nowMs = 0, phase = 0.5, intervalMs = 10_000, ageMs = 60_000, waiting = 1, ...condition } = row;
  const time = { nowMs, phase, intervalMs, ageMs, waiting };
  assert.equal(
    nextVisitMs({ ...newCondition({ unixMs: 0, monotonicMs: 0 }), state: "up", ...condition }, time),
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

test("a tick less than half an interval away is skipped", () => {
  check({ nowMs: 4_000, phase: 0.5 }, 11_000);
});

test("a scrape that took long keeps its phase", () => {
  check({ nowMs: 25_300, phase: 0.5 }, 9_700);
});

test("a sandbox whose scrapes are put off is visited when the pause is over, by the clock that does not jump", () => {
  check({ nowMs: 12_000, state: "failing", nextScrape: { unixMs: 0, monotonicMs: 42_000 } }, 30_000);
  check({ nowMs: 50_000, state: "failing", nextScrape: { unixMs: 0, monotonicMs: 42_000 } }, 0);
});

test("a socket is looked for at least once a second, and more often at first", () => {
  check({ state: "pending", ageMs: 0 }, 200);
  check({ state: "pending", ageMs: 60_000 }, 900);
  check({ state: "pending", ageMs: 3_600_000 }, 900);
});

test("if thousands wait for a socket, each is looked at more rarely, but new ones still within about a second", () => {
  check({ state: "pending", ageMs: 0, waiting: 400 }, 200);
  check({ state: "pending", ageMs: 0, waiting: 4_000 }, 1_000);
  check({ state: "pending", ageMs: 60_000, waiting: 400 }, 900);
  check({ state: "pending", ageMs: 60_000, waiting: 4_000 }, 8_000);
});

test("a refused connection is soon tried again, and a left-over socket once per interval", () => {
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
