// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type FamilyRow,
  messagesOf,
  reading,
  resource,
  texts,
  type WriterOptions,
  writer,
} from "../../../test/kit/component/request_writer.ts";
import { keyOf } from "../../../test/kit/oracle/remote_write.ts";
import type { Resource } from "../../metrics/model.ts";

const T = 1_700_000_000_123;

test("all series end with their sandbox, at a later time than their last samples", () => {
  const { consumer, take } = writer();
  const s1 = resource("s1");
  const rows: FamilyRow[] = [
    { name: "a", points: [{ item: "x" }, { item: "y" }] },
    { name: "h", kind: "histogram", bounds: [1] },
  ];
  consumer.consume(reading(s1, rows, T));
  const before = take().map(({ labels: all }) => keyOf(all));
  consumer.end({ resource: s1, timeMs: T - 5 });
  const ended = take();
  assert.deepEqual(
    ended.map(({ labels: all }) => keyOf(all)),
    before,
  );
  assert.ok(ended.every(({ isStale, timeMs }) => isStale && timeMs === T + 1));
  consumer.end({ resource: s1, timeMs: T + 10 });
  assert.deepEqual(take(), [], "it has ended already");
});

/** The samples that are written for `after`, if `before` was the last report. */
function check(
  before: readonly FamilyRow[],
  after: readonly FamilyRow[],
  want: readonly string[],
  {
    options = {},
    from = resource("s1"),
    to = from,
  }: { options?: WriterOptions; from?: Resource; to?: Resource } = {},
): void {
  const { consumer, take } = writer(options);
  consumer.consume(reading(from, before, T));
  take();
  consumer.consume(reading(to, after, T + 1_000));
  const stale = take().filter(({ isStale }) => isStale);
  assert.deepEqual(stale.map(({ labels: all }) => keyOf(all)).sort(), want);
  assert.ok(stale.every(({ timeMs }) => timeMs === T + 1_000));
}

test("a series that vanishes between two readings ends with the second", () => {
  const a: FamilyRow = { name: "a", points: [{ item: "x" }, { item: "y" }] };
  const id = 'sandbox_id="s1"';
  check([a], [a], []);
  check([a, { name: "b" }], [a], [`b{${id}}`]);
  check([a], [{ name: "a", points: [{ item: "y" }] }], [`a{item="x",${id}}`]);
  check([a], [{ name: "b" }], [`a{item="x",${id}}`, `a{item="y",${id}}`]);
});

test("a series does not end when its kind, the order of its labels or other bounds change", () => {
  const id = 'sandbox_id="s1"';
  check([{ name: "a" }], [{ name: "a", kind: "sum" }], []);
  check(
    [{ name: "a", points: [{ x: "1", y: "2" }] }],
    [{ name: "a", points: [{ y: "2", x: "1", z: "" }] }],
    [],
  );
  const h: FamilyRow = { name: "h", kind: "histogram", bounds: [1, 2] };
  check([h], [{ ...h, bounds: [1, 4] }], [`h_bucket{le="2",${id}}`]);
  check(
    [h],
    [{ name: "h_count" }],
    [`h_bucket{le="+Inf",${id}}`, `h_bucket{le="1",${id}}`, `h_bucket{le="2",${id}}`, `h_sum{${id}}`],
  );
});

test("when a sandbox gets other labels, its series end under the old ones", () => {
  const named = resource("s1", { "k8s.pod.name": "web" });
  check([{ name: "a" }], [{ name: "a" }], ['a{sandbox_id="s1"}'], { to: named });
  const unmapped = resource("s1", { "k8s.pod.label.x": "y" });
  check([{ name: "a" }], [{ name: "a" }], [], { to: unmapped });
  // A label of a sample that becomes one of the resource is in the same series.
  const zoned = { options: { others: true }, to: resource("s1", { zone: "z" }) };
  check([{ name: "a", points: [{}, { zone: "z" }] }], [{ name: "a" }], ['a{sandbox_id="s1"}'], zoned);
});

test("of two resources with the same labels only the first is sent, until it has ended", () => {
  const { consumer, take, conflicts } = writer();
  const first = resource("s1");
  const twin = { ...first, key: "other/s1" };
  const rows = [{ name: "a" }];
  consumer.consume(reading(first, rows, T));
  consumer.consume(reading(twin, rows, T));
  consumer.end({ resource: twin, timeMs: T + 1 });
  assert.deepEqual(texts(take()), [`a{sandbox_id="s1"}@${T} 0.5`]);
  assert.deepEqual(conflicts, ['series [["sandbox_id","s1"]]']);
  consumer.end({ resource: first, timeMs: T + 2 });
  consumer.consume(reading(twin, rows, T + 3));
  assert.deepEqual(texts(take()), [`a{sandbox_id="s1"}@${T + 2} stale`, `a{sandbox_id="s1"}@${T + 3} 0.5`]);
});

test("two readings at one time are a millisecond apart; a clock that was set back shows", () => {
  const { consumer, take } = writer();
  const timesOf = (...times: readonly number[]): number[] => {
    for (const timeMs of times) consumer.consume(reading(resource("s1"), [{ name: "a" }], timeMs));
    return take().map(({ timeMs }) => timeMs);
  };
  assert.deepEqual(timesOf(T, T, T - 10, T + 500, T - 3_600_000), [T, T + 1, T + 2, T + 500, T - 3_600_000]);
});

test("if a request is not kept, the next reading ends the same series again", () => {
  const { consumer, take, open } = writer();
  const s1 = resource("s1");
  consumer.consume(reading(s1, [{ name: "a" }], T));
  open(false);
  consumer.consume(reading(s1, [{ name: "b" }], T + 1));
  open(true);
  take();
  consumer.consume(reading(s1, [{ name: "b" }], T + 2));
  const id = '{sandbox_id="s1"}';
  assert.deepEqual(texts(take()), [`a${id}@${T + 2} stale`, `b${id}@${T + 2} 0.5`]);
});

test("requests have their resource, whether they are an end, and the number of series that end", () => {
  const { consumer, take, requests } = writer();
  const s1 = resource("s1");
  consumer.consume(reading(s1, [{ name: "a" }, { name: "h", kind: "histogram", bounds: [1] }], T));
  consumer.consume(reading(s1, [{ name: "a" }], T + 1));
  consumer.end({ resource: s1, timeMs: T + 2 });
  assert.deepEqual(
    requests.map(({ source, isEnd, points, endPoints }) => [source, isEnd, points, endPoints]),
    [
      [s1.key, undefined, 2, undefined],
      [s1.key, undefined, 0, 4],
      [s1.key, undefined, 1, undefined],
      [s1.key, true, 0, 1],
    ],
  );
  assert.deepEqual(texts(take().slice(-1)), [`a{sandbox_id="s1"}@${T + 2} stale`]);
});

test("requests stay under the limit and lose nothing; a larger series is a request of its own", () => {
  const points = Array.from({ length: 500 }, (_, index) => ({ item: `item_${index}` }));
  const rows = [{ name: "a", points }, { name: "b", points: [{ item: "x".repeat(9_000) }] }, { name: "c" }];
  for (const version of [1, 2] as const) {
    const { consumer, requests, take } = writer({ version, requestBytesMax: 4_096 });
    consumer.consume(reading(resource("s1"), rows, T));
    const sizes = messagesOf(requests).map(({ length }) => length);
    assert.equal(sizes.filter((size) => size > 4_096).length, 1);
    assert.ok(
      sizes.slice(0, -3).every((size) => size > 3_900),
      String(sizes),
    );
    assert.deepEqual(
      take().map(({ value }) => value),
      Array.from({ length: 502 }, (_, column) => column + 0.5),
    );
  }
});

test("the requests of a reading together have its number of data points; stale markers are none", () => {
  const histogram: FamilyRow = {
    name: "h",
    kind: "histogram",
    points: Array.from({ length: 99 }, (_, index) => ({ item: `item_${index}` })),
    bounds: [1, 2],
  };
  for (const requestBytesMax of [1_000, 4_096, 3_000_000]) {
    const { consumer, requests } = writer({ requestBytesMax, targetInfo: true });
    const pointsOf = (): number => requests.splice(0).reduce((sum, { points }) => sum + points, 0);
    const s1 = resource("s1", { "os.type": "linux" });
    // The second point of `a` is the same series as the first.
    consumer.consume(reading(s1, [histogram, { name: "a", points: [{ x: "1" }, { x: "1", y: "" }] }], T));
    assert.equal(pointsOf(), 101);
    consumer.consume(reading(s1, [{ name: "a" }], T + 1));
    assert.equal(pointsOf(), 1);
    consumer.end({ resource: s1, timeMs: T + 2 });
    assert.ok(requests.length > 0);
    assert.equal(pointsOf(), 0);
  }
});

test("without staleness markers, nothing is sent when series end", () => {
  const { consumer, take } = writer({ stalenessMarkers: false });
  const s1 = resource("s1");
  consumer.consume(reading(s1, [{ name: "a" }], T));
  consumer.consume(reading(s1, [{ name: "b" }], T + 1));
  consumer.end({ resource: s1, timeMs: T + 2 });
  consumer.consume(reading({ ...s1, key: "other/s1" }, [{ name: "c" }], T + 3));
  assert.deepEqual(
    take().map(({ labels: all, isStale }) => [keyOf(all), isStale]),
    ["a", "b", "c"].map((name) => [`${name}{sandbox_id="s1"}`, false]),
  );
});

test("a reading without families is no request", () => {
  const { consumer, requests } = writer();
  consumer.consume(reading(resource("s1"), [], T));
  consumer.end({ resource: resource("s1"), timeMs: T + 1 });
  assert.equal(requests.length, 0);
});

test("collisions are reported when a plan is compiled", () => {
  const { consumer, conflicts } = writer();
  const points = [{ sandbox_id: "x" }, { x: "1" }, { x: "1", y: "" }];
  for (const timeMs of [T, T + 1]) consumer.consume(reading(resource("s1"), [{ name: "a", points }], timeMs));
  assert.deepEqual(conflicts, ["label a", "series a"]);
});

test("a point that cannot be a count is left out, and its series ends until it is sound again", () => {
  const { consumer, take, unsound, requests } = writer();
  const rows: FamilyRow[] = [
    { name: "c", kind: "sum", points: [{ item: "x" }, { item: "y" }] },
    { name: "h", kind: "histogram", bounds: [1] },
  ];
  const consume = (timeMs: number, ...values: readonly number[]): string[] => {
    consumer.consume({ ...reading(resource("s1"), rows, timeMs), values: Float64Array.from(values) });
    assert.deepEqual(
      requests.map(({ points }) => points).filter((points) => points > 0),
      [3 - unsound.length],
    );
    return take().map(({ labels, value, isStale }) => {
      const own = labels.filter(([name]) => name !== "sandbox_id");
      return `${keyOf(own)} ${isStale ? "stale" : value}`;
    });
  };
  const histogram = ['h_bucket{le="1"} 1', 'h_bucket{le="+Inf"} 2', "h_sum{} 0.5", "h_count{} 2"];
  assert.deepEqual(consume(T, 5, 6, 1, 2, 0.5, 2), ['c{item="x"} 5', 'c{item="y"} 6', ...histogram]);
  assert.deepEqual(consume(T + 1, 5, -6, 1, 2, 0.5, 2), ['c{item="y"} stale', 'c{item="x"} 5', ...histogram]);
  assert.deepEqual(unsound, ["c"]);
  unsound.pop();
  const stale = histogram.map((line) => line.replace(/ .*/, " stale"));
  assert.deepEqual(consume(T + 2, 5, 7, 1.5, 2, 0.5, 2), [...stale, 'c{item="x"} 5', 'c{item="y"} 7']);
  assert.deepEqual(unsound, ["h"]);
});
