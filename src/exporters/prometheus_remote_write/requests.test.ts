import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodeWriteRequest,
  keyOf,
  seriesOnPage,
  type WrittenSample,
} from "../../../test/oracle/remote_write.ts";
import type { Outgoing } from "../../delivery/queue.ts";
import { Interner } from "../../metrics/interner.ts";
import { type Attribute, type Kind, pointWidth, type Reading, type Resource } from "../../metrics/model.ts";
import { labelOptions, toIdentityLabels } from "../../prometheus/label_options.ts";
import { defaultParseLimits, PageParser } from "../../prometheus/parse.ts";
import { Chunk, PageWriter } from "../../prometheus/write.ts";
import { PageComposer } from "../../prometheus/write_page.ts";
import { createPage } from "../../simulator/pages.ts";
import type { PlanOptions } from "./reading_plan.ts";
import { RemoteWriteRequests } from "./requests.ts";

const interner = new Interner();

const attributesOf = (values: Readonly<Record<string, string>>): Attribute[] =>
  Object.entries(values).map(([key, value]) => ({ key, value }));

function resource(id: string, more: Readonly<Record<string, string>> = {}): Resource {
  return { key: `kata/${id}`, attributes: attributesOf({ "kata.sandbox.id": id, ...more }) };
}

interface FamilyRow {
  readonly name: string;
  readonly kind?: Kind;
  readonly points?: readonly Readonly<Record<string, string>>[];
  readonly bounds?: readonly number[];
}

function reading(of: Resource, rows: readonly FamilyRow[], timeMs: number): Reading {
  const families = rows.map(({ name, kind = "gauge", points = [{}], bounds = [] }) =>
    interner.family({
      name,
      kind,
      unit: "",
      help: "",
      points: points.map((one) => ({
        attributes: attributesOf(one),
        bounds,
        boundTexts: bounds.map(String),
      })),
    }),
  );
  const schema = interner.schema(families);
  const values = Float64Array.from({ length: schema.width }, (_, column) => column + 0.5);
  return { resource: of, schema, values, timeMs, startMs: 0 };
}

interface Options {
  readonly namespace?: string;
  readonly external?: Readonly<Record<string, string>>;
  readonly others?: boolean;
  readonly requestBytesMax?: number;
}

/** The labels as a config makes them. */
function planOptions({
  namespace = "",
  external = {},
  others = false,
}: Options): Omit<PlanOptions, "onConflict"> {
  const config = {
    namespace,
    resource_labels: labelOptions.resource_labels.parse(undefined),
    resource_to_telemetry_conversion: { enabled: others },
  };
  return { namespace, labels: toIdentityLabels(external, config) };
}

function writer(options: Options = {}) {
  const requests: Outgoing[] = [];
  const conflicts: string[] = [];
  let isOpen = true;
  const consumer = new RemoteWriteRequests({
    ...planOptions(options),
    requestBytesMax: options.requestBytesMax ?? 3_000_000,
    onConflict: ({ reason, name }) => conflicts.push(`${reason} ${name}`),
    emit: (request) => isOpen && requests.push(request) > 0,
  });
  return {
    consumer,
    requests,
    conflicts,
    open: (open: boolean) => {
      isOpen = open;
    },
    /** What was written since the last time. */
    take: () => requests.splice(0).flatMap(({ bytes }) => decodeWriteRequest(bytes)),
  };
}

/** Samples as `series@time value`, in order of series. */
function texts(samples: readonly WrittenSample[]): string[] {
  return samples
    .map(({ labels, value, isStale, timeMs }) => `${keyOf(labels)}@${timeMs} ${isStale ? "stale" : value}`)
    .sort();
}

/** The page that the prometheus exporter writes of these readings alone. */
function pageOf(readings: readonly Reading[], options: Options): string {
  const page = new PageComposer({ ...planOptions(options), onConflict: () => {} }).compose(readings);
  const pages = new PageWriter(page, { format: "text", timestamps: false });
  const chunk = new Chunk(65_536);
  let text = "";
  for (let bytes = pages.fill(chunk); bytes > 0; bytes = pages.fill(chunk))
    text += Buffer.from(chunk.bytes.subarray(0, bytes)).toString();
  return text;
}

/** What is written of a reading has the series and numbers of its page, labels in order, and its time. */
function checkAgainstPage(of: Reading, options: Options = {}): void {
  const { consumer, take } = writer(options);
  consumer.consume(of);
  const samples = take();
  for (const { labels, timeMs } of samples) {
    const names = labels.map(([name]) => name);
    assert.deepEqual(names, names.toSorted(), "labels are in the order of names");
    assert.ok(labels.every(([, value]) => value !== ""));
    assert.equal(timeMs, of.timeMs);
  }
  const written = new Map(samples.map(({ labels, value }) => [keyOf(labels), value]));
  assert.equal(written.size, samples.length, "no series is there twice");
  assert.deepEqual(written, seriesOnPage(pageOf([of], options)));
}

const T = 1_700_000_000_123;

test("a reading has the series and numbers of its page", () => {
  for (const seed of [1, 2, 3]) {
    const page = createPage({ flavor: seed === 2 ? "rs" : "go", seed }).render();
    const source = new PageParser({ interner, limits: defaultParseLimits }).source([]);
    const { schema, values } = source.parse(page, page.length);
    const pod = { "k8s.pod.name": "web", "k8s.namespace.name": "shop", "k8s.pod.label.App": "a" };
    const parsed = { resource: resource("s1", pod), schema, values, timeMs: T, startMs: 0 };
    assert.ok(schema.families.length > 10);
    checkAgainstPage(parsed);
    checkAgainstPage(parsed, { namespace: "kata", external: { cluster: "c", Zone: "z" } });
    checkAgainstPage(parsed, { others: true });
  }
});

const text = fc.string({
  unit: fc.constantFrom("a", "b", "_", "-", "Z", "é", '"', "\\", "\n", "😀"),
  maxLength: 4,
});
const labels = fc.dictionary(
  fc.oneof(text, fc.constantFrom("le", "quantile", "sandbox_id", "__name__", "zone", "A")),
  text,
  { maxKeys: 3, noNullPrototype: true },
);
const row = fc.record({
  name: fc.constantFrom("a", "b", "a_sum", "a_count", "b_bucket", "é", "9"),
  kind: fc.constantFrom<Kind>("gauge", "sum", "unknown", "histogram", "summary"),
  points: fc.array(labels, { maxLength: 4 }),
  bounds: fc.constantFrom<readonly number[]>([], [0.5], [0.5, 1, 1e6]),
});

test("whatever a source sends, what is written has the series of its page", () => {
  const property = fc.property(
    fc.uniqueArray(row, { selector: ({ name }) => name, maxLength: 5 }),
    labels,
    fc.boolean(),
    (rows, more, others) => {
      const fitting = rows.map((one) => ({
        ...one,
        bounds: one.kind === "histogram" || one.kind === "summary" ? one.bounds : [],
      }));
      checkAgainstPage(reading(resource("s1", more), fitting, T), { others, external: { zone: "z" } });
    },
  );
  fc.assert(property, { numRuns: 1_000 });
});

test("numbers keep their bits, and no NaN of a source ends a series", () => {
  const numbers = [0, -0, 5e-324, Number.MAX_VALUE, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.1];
  const forged = new Float64Array(new BigUint64Array([0x7ff0000000000002n]).buffer)[0] ?? 0;
  const one = reading(
    resource("s1"),
    [{ name: "a", points: [...numbers.keys(), 7, 8].map((index) => ({ index: String(index) })) }],
    T,
  );
  const { consumer, take } = writer();
  consumer.consume({ ...one, values: Float64Array.from([...numbers, Number.NaN, forged]) });
  const samples = take();
  for (const [index, number] of numbers.entries()) assert.ok(Object.is(samples[index]?.value, number));
  for (const sample of samples.slice(numbers.length)) {
    assert.ok(Number.isNaN(sample.value));
    assert.equal(sample.isStale, false);
  }
});

test("all series end with their sandbox, and later than they were last", () => {
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

/** What is written for `after`, when `before` was said last. */
function check(
  before: readonly FamilyRow[],
  after: readonly FamilyRow[],
  want: readonly string[],
  {
    options = {},
    from = resource("s1"),
    to = from,
  }: { options?: Options; from?: Resource; to?: Resource } = {},
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

test("a series lives on whatever becomes of its kind, the order of its labels or the bounds beside it", () => {
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

test("of two resources with the same labels only the first is heard, until it has ended", () => {
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

test("what is not taken is not said: the next reading ends the same series", () => {
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

test("requests say whose they are, and which of them is an end", () => {
  const { consumer, take, requests } = writer();
  const s1 = resource("s1");
  consumer.consume(reading(s1, [{ name: "a" }], T));
  consumer.end({ resource: s1, timeMs: T + 1 });
  assert.deepEqual(
    requests.map(({ source, isEnd }) => [source, isEnd]),
    [
      [s1.key, undefined],
      [s1.key, true],
    ],
  );
  assert.deepEqual(texts(take()).slice(1), [`a{sandbox_id="s1"}@${T + 1} stale`]);
});

test("requests stay under the limit and lose nothing; a series that passes it goes alone", () => {
  const points = Array.from({ length: 500 }, (_, index) => ({ item: `item_${index}` }));
  const rows = [{ name: "a", points }, { name: "b", points: [{ item: "x".repeat(9_000) }] }, { name: "c" }];
  const { consumer, requests } = writer({ requestBytesMax: 4_096 });
  consumer.consume(reading(resource("s1"), rows, T));
  const sizes = requests.map(({ bytes }) => bytes.length);
  assert.equal(sizes.filter((size) => size > 4_096).length, 1);
  assert.ok(
    sizes.slice(0, -3).every((size) => size > 3_900),
    String(sizes),
  );
  const samples = requests.flatMap(({ bytes, points: count }) => {
    const decoded = decodeWriteRequest(bytes);
    assert.equal(decoded.length, count);
    return decoded;
  });
  assert.deepEqual(
    samples.map(({ value }) => value),
    Array.from({ length: 502 }, (_, column) => column + 0.5),
  );
});

test("a reading without families is no request", () => {
  const { consumer, requests } = writer();
  consumer.consume(reading(resource("s1"), [], T));
  consumer.end({ resource: resource("s1"), timeMs: T + 1 });
  assert.equal(requests.length, 0);
});

test("what collides is told when its plan is compiled", () => {
  const { consumer, conflicts } = writer();
  const points = [{ sandbox_id: "x" }, { x: "1" }, { x: "1", y: "" }];
  for (const timeMs of [T, T + 1]) consumer.consume(reading(resource("s1"), [{ name: "a", points }], timeMs));
  assert.deepEqual(conflicts, ["label a", "series a"]);
});

test("the kinds take the columns that the model says", () => {
  assert.equal(pointWidth("histogram", 2), 5);
  const { consumer, take } = writer();
  const rows: FamilyRow[] = [
    { name: "h", kind: "histogram", points: [{ a: "1" }, { a: "2" }], bounds: [1, 2] },
    { name: "s", kind: "summary", bounds: [0.5] },
  ];
  consumer.consume(reading(resource("s1"), rows, T));
  assert.deepEqual(
    take().map(
      ({ labels: all, value }) => `${keyOf(all.filter(([name]) => name !== "sandbox_id"))} ${value}`,
    ),
    [
      'h_bucket{a="1",le="1"} 0.5',
      'h_bucket{a="1",le="2"} 1.5',
      'h_bucket{a="1",le="+Inf"} 2.5',
      'h_sum{a="1"} 3.5',
      'h_count{a="1"} 4.5',
      'h_bucket{a="2",le="1"} 5.5',
      'h_bucket{a="2",le="2"} 6.5',
      'h_bucket{a="2",le="+Inf"} 7.5',
      'h_sum{a="2"} 8.5',
      'h_count{a="2"} 9.5',
      's{quantile="0.5"} 10.5',
      "s_sum{} 11.5",
      "s_count{} 12.5",
    ],
  );
});
