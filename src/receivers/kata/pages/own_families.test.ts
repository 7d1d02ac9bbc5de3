// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { Interner } from "../../../metrics/interner.ts";
import type { Limit } from "../../../prometheus/parse/limit.ts";
import { NO_LIMITS } from "../sandbox/answers.ts";
import type { SandboxFacts } from "../sandbox/sandbox.ts";
import { STATES } from "../sandbox/sandbox_state.ts";
import { OwnFamilies, type SandboxReport, type ShownCondition } from "./own_families.ts";

const NOTHING_KNOWN: SandboxFacts = {
  lastAnswerMs: undefined,
  isListed: undefined,
  boot: undefined,
  limits: NO_LIMITS,
};
const UP: ShownCondition = {
  state: "up",
  code: "",
  since: { unixMs: 1_700_000_000_500, monotonicMs: 7 },
  nextScrape: undefined,
};
const SCRAPE = { up: true, durationMs: 250, samples: 3, partial: true, skippedLines: 4, badLines: 5 };

/** Each number of a report, as `name{attributes} value`, without the names' common beginning. */
function tell(report: Partial<SandboxReport>): readonly string[] {
  const own = new OwnFamilies(new Interner());
  const whole = { condition: UP, facts: NOTHING_KNOWN, scrape: SCRAPE, ...report };
  const { schema, pointCount } = own.shape(whole.condition, whole.facts);
  assert.equal(pointCount, schema.width, "gauges of one point each");
  const values = new Float64Array(schema.width);
  own.fill(values, whole);
  return schema.families.map(({ name, points }, index) => {
    const attributes = points[0]?.attributes.map(({ key, value }) => `${key}="${value}"`).join();
    return `${name.replace("kata_collector_sandbox_", "")}{${attributes}} ${values[index]}`;
  });
}

const ALWAYS = [
  "up{} 1",
  "scrape_duration_seconds{} 0.25",
  "scrape_samples{} 3",
  "partial{} 1",
  "skipped_lines{} 4",
  "bad_lines{} 5",
  "state_since_seconds{} 1700000000.5",
];

test("a number that is not known is absent, not 0", () => {
  assert.deepEqual(tell({}), [...ALWAYS, 'state{state="up"} 1']);
});

test("all numbers that are known are reported, times in Unix seconds", () => {
  const condition = {
    ...UP,
    state: "failing",
    code: "timeout",
    nextScrape: { unixMs: 1_700_000_030_000, monotonicMs: 30 },
  } as const;
  const facts = {
    lastAnswerMs: 1_700_000_000_000,
    isListed: false,
    boot: { socketMs: 350, answerMs: 40 },
    limits: NO_LIMITS,
  };
  assert.deepEqual(tell({ condition, facts }), [
    ...ALWAYS,
    'state{state="failing",reason="timeout"} 1',
    "last_answer_timestamp_seconds{} 1700000000",
    "next_scrape_timestamp_seconds{} 1700000030",
    "in_runtime{} 0",
    "boot_socket_seconds{} 0.35",
    "boot_answer_seconds{} 0.04",
  ]);
});

test("each optional family is absent on its own", () => {
  const facts = { ...NOTHING_KNOWN, isListed: true, boot: { socketMs: undefined, answerMs: 40 } };
  assert.deepEqual(tell({ facts }).slice(ALWAYS.length + 1), [
    "in_runtime{} 1",
    "boot_answer_seconds{} 0.04",
  ]);
});

test("a sandbox with a complaint keeps the state up", () => {
  assert.ok(tell({ condition: { ...UP, code: "slow" } }).includes('state{state="up",reason="slow"} 1'));
});

test("reports with the same parts have one shape", () => {
  const own = new OwnFamilies(new Interner());
  const later = { ...UP, since: { unixMs: 1, monotonicMs: 1 } };
  const one = own.shape(UP, { ...NOTHING_KNOWN, isListed: true });
  assert.equal(own.shape(later, { ...NOTHING_KNOWN, isListed: false }), one);
  assert.notEqual(own.shape(UP, NOTHING_KNOWN), one);
  assert.notEqual(own.shape({ ...UP, code: "slow" }, { ...NOTHING_KNOWN, isListed: true }), one);
});

test("each limit that was exceeded is a point of one family, in order of names", () => {
  const own = new OwnFamilies(new Interner());
  const shapeOf = (...limits: Limit[]) => own.shape(UP, { ...NOTHING_KNOWN, limits: new Set(limits) });
  const { schema, pointCount } = shapeOf("samples", "labels");
  assert.equal(shapeOf("labels", "samples").schema, schema);
  assert.notEqual(shapeOf("labels").schema, schema);
  const limited = schema.families.at(-1) ?? assert.fail();
  assert.equal(limited.name, "kata_collector_sandbox_limited");
  assert.deepEqual(
    limited.points.map(({ attributes }) => attributes),
    [[{ key: "limit", value: "labels" }], [{ key: "limit", value: "samples" }]],
  );
  assert.equal(pointCount, schema.width, "gauges, whose points are their columns");
  const values = new Float64Array(schema.width);
  own.fill(values, {
    condition: UP,
    facts: { ...NOTHING_KNOWN, limits: new Set<Limit>(["samples", "labels"]) },
    scrape: SCRAPE,
  });
  assert.deepEqual([...values.subarray(-3)], [1, 1, 1], "the state and two limits");
});

test("a guest that exceeds other limits with every page makes no more shapes than may be kept", () => {
  const own = new OwnFamilies(new Interner());
  const all = ["blocks", "samples", "labels", "series", "line_bytes", "name_bytes", "bad_lines"] as const;
  const shapes = new Set<object>();
  for (const state of STATES) {
    for (let set = 0; set < 2 ** all.length; set++) {
      for (const isListed of [true, false, undefined]) {
        const limits = new Set(all.filter((_, i) => (set >> i) & 1));
        shapes.add(own.shape({ ...UP, state }, { ...NOTHING_KNOWN, isListed, limits }));
        assert.ok(own.shapeCount <= 1_024);
      }
    }
  }
  assert.equal(shapes.size, STATES.length * 2 ** all.length * 2, "more than are remembered");
});
