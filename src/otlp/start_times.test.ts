// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { Interner } from "../metrics/interner.ts";
import { type Kind, type Point, pointWidth, type Reading } from "../metrics/model.ts";
import { createOtlpEncoder, type OtlpRequest } from "./encode.ts";
import { ExportMetricsServiceRequestSchema } from "./generated/opentelemetry/proto/metrics/v1/metrics_pb.ts";
import { OtlpRequests } from "./requests.ts";

const RESOURCE = { key: "s1", attributes: [] };
const BIRTH_MS = 1_000;

const interner = new Interner();

/** Families of one kind each, with the row of each point by its label. */
interface Page {
  readonly [name: string]: {
    readonly kind: Kind;
    readonly points: Readonly<Record<string, readonly number[]>>;
  };
}

const BOUNDS: Readonly<Record<Kind, readonly number[]>> = {
  gauge: [],
  unknown: [],
  sum: [],
  histogram: [1, 2],
  summary: [0.5],
};

function readingOf(page: Page, timeMs: number, startMs = BIRTH_MS): Reading {
  const families = Object.entries(page).map(([name, { kind, points }]) => {
    const bounds = BOUNDS[kind];
    const made = Object.keys(points).map(
      (value): Point => ({ attributes: [{ key: "item", value }], bounds, boundTexts: bounds.map(String) }),
    );
    return interner.family({ name, kind, unit: "", help: "", points: made });
  });
  const schema = interner.schema(families);
  const values = Float64Array.from(Object.values(page).flatMap(({ points }) => Object.values(points).flat()));
  assert.equal(values.length, schema.width, "the page fits its kinds");
  return { resource: RESOURCE, schema, values, timeMs, startMs };
}

/** The points that were sent, as `[series, start in Unix milliseconds]`. The end of a series has a minus in front. */
function requesting() {
  const sent: OtlpRequest[] = [];
  const state = { hasRoom: true };
  const requests = new OtlpRequests({
    encoder: createOtlpEncoder({ name: "test", version: "0" }),
    requestBytesMax: 4_000_000,
    marksEnds: true,
    onUnsound: () => {},
    emit(request) {
      const isKept = state.hasRoom || request.isEnd === true;
      if (isKept) sent.push(request);
      return isKept;
    },
  });
  return { requests, state, taken: () => sent.splice(0).flatMap(({ bytes }) => startsIn(bytes)) };
}

function startsIn(request: Uint8Array): (readonly [series: string, startMs: number])[] {
  const metrics = fromBinary(ExportMetricsServiceRequestSchema, request).resourceMetrics.flatMap((entry) =>
    entry.scopeMetrics.flatMap((scope) => scope.metrics),
  );
  return metrics.flatMap(({ name, data }) =>
    (data.value?.dataPoints ?? []).map((point) => {
      const item = point.attributes[0]?.value?.value.value;
      const series = `${point.flags === 1 ? "-" : ""}${data.case} ${name} ${item}`;
      return [series, Number(point.startTimeUnixNano / 1_000_000n)] as const;
    }),
  );
}

/** Passes the pages of one sandbox, at 2,000 ms and then each 10 ms. Returns the start times of the last one. */
function check(pages: readonly Page[], want: Readonly<Record<string, number>>): void {
  const { requests, taken } = requesting();
  for (const [index, page] of pages.entries()) {
    taken();
    requests.consume(readingOf(page, 2_000 + 10 * index));
  }
  assert.deepEqual(Object.fromEntries(taken()), want);
}

const sums = (points: Readonly<Record<string, number>>): Page => ({
  x: {
    kind: "sum",
    points: Object.fromEntries(Object.entries(points).map(([item, value]) => [item, [value]])),
  },
});
const NOTHING: Page = { up: { kind: "gauge", points: { a: [0] } } };

test("a counter that falls gets the time of the reading before as its start; the others keep theirs", () => {
  check([sums({ a: 5, b: 5 }), sums({ a: 5, b: 6 })], { "sum x a": BIRTH_MS, "sum x b": BIRTH_MS });
  check([sums({ a: 5, b: 5 }), sums({ a: 4, b: 6 })], { "sum x a": 2_000, "sum x b": BIRTH_MS });
  check([sums({ a: 5, b: 5 }), sums({ a: 4, b: 6 }), sums({ a: 9, b: 6 })], {
    "sum x a": 2_000,
    "sum x b": BIRTH_MS,
  });
  check([sums({ a: 5, b: 5 }), sums({ a: 4, b: 6 }), sums({ a: 3, b: 5 })], {
    "sum x a": 2_010,
    "sum x b": 2_010,
  });
});

test("a gauge that falls gets no start time", () => {
  const load = (value: number): Page => ({ load: { kind: "gauge", points: { a: [value] } } });
  check([load(5), load(4)], { "gauge load a": 0 });
});

test("a histogram restarts when a bucket or its count falls, a summary when its count does", () => {
  const histogram = (...row: readonly number[]): Page => ({ h: { kind: "histogram", points: { a: row } } });
  const checkHistogram = (row: readonly number[], startMs: number): void =>
    check([histogram(1, 2, 3, 10, 3), histogram(...row)], { "histogram h a": startMs });
  checkHistogram([1, 2, 3, 9, 3], BIRTH_MS);
  checkHistogram([0, 2, 3, 10, 3], 2_000);
  checkHistogram([1, 1, 3, 10, 3], 2_000);
  checkHistogram([1, 2, 2, 10, 2], 2_000);
  const summary = (...row: readonly number[]): Page => ({ s: { kind: "summary", points: { a: row } } });
  check([summary(5, 10, 3), summary(4, 9, 3)], { "summary s a": BIRTH_MS });
  check([summary(5, 10, 3), summary(5, 10, 2)], { "summary s a": 2_000 });
});

test("a number that is no count is no fall: it ends the series, and the next count is compared with the last one", () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, -1]) {
    check([sums({ a: 5 }), sums({ a: bad })], { "-sum x a": BIRTH_MS });
    check([sums({ a: 5 }), sums({ a: bad }), sums({ a: 5 })], { "sum x a": BIRTH_MS });
    check([sums({ a: 5 }), sums({ a: bad }), sums({ a: bad }), sums({ a: 4 })], { "sum x a": 2_020 });
    check([sums({ a: bad }), sums({ a: 4 })], { "sum x a": BIRTH_MS });
  }
});

test("a counter that was absent is compared with its last number, and starts at the last reading without it if it fell", () => {
  check([sums({ a: 5 }), NOTHING, sums({ a: 6 })], { "-gauge up a": 0, "sum x a": BIRTH_MS });
  check([sums({ a: 5 }), NOTHING, sums({ a: 4 })], { "-gauge up a": 0, "sum x a": 2_010 });
  check([sums({ a: 5, b: 5 }), sums({ b: 6 }), sums({ a: 4, b: 7 })], {
    "sum x a": 2_010,
    "sum x b": BIRTH_MS,
  });
});

test("a counter that restarted keeps its new start while it is absent, and its end has it", () => {
  check([sums({ a: 5 }), sums({ a: 4 }), NOTHING, sums({ a: 5 })], { "-gauge up a": 0, "sum x a": 2_000 });
  check([sums({ a: 5, b: 5 }), sums({ b: 6, a: 4 }), NOTHING], {
    "-sum x b": BIRTH_MS,
    "-sum x a": 2_000,
    "gauge up a": 0,
  });
});

test("a resource that is gone ends with the starts of its series, and is forgotten", () => {
  const { requests, taken } = requesting();
  requests.consume(readingOf(sums({ a: 5, b: 5 }), 2_000));
  requests.consume(readingOf(sums({ a: 4, b: 5 }), 2_010));
  taken();
  requests.end({ resource: RESOURCE, timeMs: 2_020 });
  assert.deepEqual(taken(), [
    ["-sum x a", 2_000],
    ["-sum x b", BIRTH_MS],
  ]);
  requests.consume(readingOf(sums({ a: 3, b: 3 }), 2_030, 2_025));
  assert.deepEqual(taken(), [
    ["sum x a", 2_025],
    ["sum x b", 2_025],
  ]);
});

test("an unknown start stays unknown until a counter falls; a later start of the reading's own is used", () => {
  const { requests, taken } = requesting();
  const checkNext = (
    value: number,
    timeMs: number,
    { startMs, want }: { startMs: number; want: number },
  ): void => {
    requests.consume(readingOf(sums({ a: value }), timeMs, startMs));
    assert.deepEqual(taken(), [["sum x a", want]]);
  };
  checkNext(5, 2_000, { startMs: 0, want: 0 });
  checkNext(4, 2_010, { startMs: 0, want: 2_000 });
  checkNext(5, 2_020, { startMs: BIRTH_MS, want: 2_000 });
  checkNext(6, 2_030, { startMs: 2_025, want: 2_025 });
});

test("a clock that is set back makes no start that is not before its time", () => {
  const { requests, taken } = requesting();
  const checkNext = (value: number, timeMs: number, want: number): void => {
    requests.consume(readingOf(sums({ a: value }), timeMs, 0));
    assert.deepEqual(taken(), [["sum x a", want]]);
  };
  checkNext(5, 2_000, 0);
  checkNext(4, 1_500, 1_499);
  checkNext(3, 1_510, 1_500);
  checkNext(4, 1_400, 0);
  checkNext(5, 1_520, 1_500);
});

test("a reading that the queue rejected counts for start times too", () => {
  const { requests, state, taken } = requesting();
  requests.consume(readingOf(sums({ a: 5 }), 2_000));
  state.hasRoom = false;
  requests.consume(readingOf(sums({ a: 9 }), 2_010));
  state.hasRoom = true;
  taken();
  requests.consume(readingOf(sums({ a: 6 }), 2_020));
  assert.deepEqual(taken(), [["sum x a", 2_010]]);
});

test("a series ends with the start that it was last sent with, whatever restarted since", () => {
  const { requests, state, taken } = requesting();
  requests.consume(readingOf(sums({ a: 5 }), 2_000));
  requests.consume(readingOf(sums({ a: 4 }), 2_010));
  state.hasRoom = false;
  requests.consume(readingOf(sums({ a: 3 }), 2_020));
  state.hasRoom = true;
  taken();
  requests.consume(readingOf(NOTHING, 2_030));
  assert.deepEqual(taken()[0], ["-sum x a", 2_000]);
});

test("of many counters that became absent one by one, the first ones are forgotten", () => {
  const items = Array.from({ length: 10 }, (_, index) => `item_${index}`);
  const { requests, taken } = requesting();
  const pageOf = (names: readonly string[], value: number): Page =>
    sums(Object.fromEntries(names.map((name) => [name, value])));
  for (const index of items.keys()) requests.consume(readingOf(pageOf(items.slice(index), 5), 2_000 + index));
  taken();
  requests.consume(readingOf(pageOf(items, 4), 2_010));
  const starts = taken().map(([, startMs]) => startMs);
  assert.deepEqual(starts, [BIRTH_MS, ...items.slice(1).map(() => 2_009)]);
});

/** The reference implementation: it keeps each series by its name, without layouts and columns. */
class ReferenceStarts {
  readonly #series = new Map<string, { row: number[]; restartMs: number }>();
  #lastMs = 0;

  /** The starts of the page's points. */
  next(page: Page, timeMs: number, startMs: number): Map<string, number> {
    const starts = new Map<string, number>();
    for (const [name, { kind, points }] of Object.entries(page)) {
      for (const [item, row] of Object.entries(points)) {
        if (!isSound(kind, row)) continue;
        const series = `${kind} ${name} ${item}`;
        const restartMs = this.#restart(series, rising(kind, row), Math.min(this.#lastMs, timeMs - 1));
        starts.set(series, kind === "gauge" ? 0 : Math.max(restartMs, startMs));
      }
    }
    this.#lastMs = timeMs;
    return starts;
  }

  #restart(series: string, row: readonly number[], sinceMs: number): number {
    const known = this.#series.get(series) ?? { row: row.map(() => Number.NaN), restartMs: 0 };
    this.#series.set(series, known);
    if (row.some((value, index) => value < (known.row[index] ?? Number.NaN))) known.restartMs = sinceMs;
    known.row = [...row];
    return known.restartMs;
  }
}

/** It checks soundness again, without the code of `src/metrics`. */
function isSound(kind: Kind, row: readonly number[]): boolean {
  const counts = rising(kind, row);
  if (!counts.every((count) => count >= 0 && Number.isFinite(count))) return false;
  const buckets = counts.slice(0, -1);
  return kind !== "histogram" || (isSorted(buckets) && buckets.at(-1) === counts.at(-1));
}

function isSorted(numbers: readonly number[]): boolean {
  return numbers.every((number, index) => index === 0 || number >= (numbers[index - 1] ?? 0));
}

function rising(kind: Kind, row: readonly number[]): readonly number[] {
  if (kind === "gauge") return [];
  if (kind === "sum") return row;
  return kind === "summary" ? row.slice(-1) : row.filter((_, index) => index !== row.length - 2);
}

const number = fc.constantFrom(0, 1, 2, 3, 7, -1, Number.NaN, Number.POSITIVE_INFINITY);
/** Sorts the buckets, and makes the last one the count. */
function addedUp([a = 0, b = 0, c = 0, sum = 0]: readonly number[]): number[] {
  const buckets = [a, b, c].sort((one, other) => one - other);
  return [...buckets, sum, buckets[2] ?? 0];
}

const familyOf = (kind: Kind): fc.Arbitrary<Page[string]> => {
  const width = pointWidth(kind, BOUNDS[kind].length);
  const row = fc
    .tuple(fc.array(number, { minLength: width, maxLength: width }), fc.nat(3))
    .map(([made, chance]) => (kind === "histogram" && chance > 0 ? addedUp(made) : made));
  const points = fc
    .uniqueArray(fc.tuple(fc.constantFrom("a", "b", "c"), row), { minLength: 1, selector: ([item]) => item })
    .map((entries) => Object.fromEntries(entries));
  return points.map((made) => ({ kind, points: made }));
};
const page: fc.Arbitrary<Page> = fc
  .uniqueArray(
    fc
      .constantFrom("gauge" as const, "sum" as const, "histogram" as const, "summary" as const)
      .chain((kind) =>
        // The name does not have the kind in it, so that the next reading may have another kind with the same name.
        fc.tuple(fc.constantFrom("f", "g", kind), familyOf(kind)),
      ),
    { minLength: 1, maxLength: 4, selector: ([name]) => name },
  )
  .map((entries) => Object.fromEntries(entries));
const step = fc.record({
  page,
  laterMs: fc.constantFrom(1, 10, 10, -15),
  startMs: fc.constantFrom(0, BIRTH_MS, BIRTH_MS, 2_015),
  hasRoom: fc.constantFrom(true, true, false),
});

test("for any readings, points and ends have the start times of the reference implementation", () => {
  fc.assert(
    // There are no more readings than groups of absent counters that are remembered.
    fc.property(fc.array(step, { minLength: 2, maxLength: 8 }), (steps) => {
      const { requests, state, taken } = requesting();
      const reference = new ReferenceStarts();
      let said = new Map<string, number>();
      let timeMs = 2_000;
      for (const { page: next, laterMs, startMs, hasRoom } of steps) {
        timeMs += laterMs;
        state.hasRoom = hasRoom;
        requests.consume(readingOf(next, timeMs, startMs));
        const starts = reference.next(next, timeMs, startMs);
        for (const [series, start] of taken()) {
          const want = series.startsWith("-") ? said.get(series.slice(1)) : starts.get(series);
          assert.ok(want !== undefined, series);
          assert.equal(start, want < timeMs ? want : 0, `${series} at ${timeMs}`);
        }
        if (hasRoom) said = starts;
      }
    }),
    { numRuns: 1_000 },
  );
});
