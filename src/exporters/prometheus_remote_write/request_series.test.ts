// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type FamilyRow,
  interner,
  messagesOf,
  planOptions,
  reading,
  resource,
  type WriterOptions,
  writer,
} from "../../../test/kit/component/request_writer.ts";
import {
  decodeRequestV2,
  decodeWriteRequest,
  keyOf,
  seriesOnPage,
} from "../../../test/kit/oracle/remote_write.ts";
import { type Kind, pointWidth, type Reading } from "../../metrics/model.ts";
import { PageComposer } from "../../prometheus/page/compose.ts";
import { PageParser } from "../../prometheus/parse/page_parser.ts";
import { defaultParseLimits } from "../../prometheus/parse/parse_limits.ts";
import { Chunk, PageWriter } from "../../prometheus/write/page_writer.ts";
import { createPage } from "../../simulator/pages.ts";

/** The page that the prometheus exporter writes of these readings alone. */
function pageOf(readings: readonly Reading[], options: WriterOptions): string {
  const page = new PageComposer({ ...planOptions(options), onConflict: () => {} }).compose(readings, {
    format: "text",
  });
  const pages = new PageWriter(page, { timestamps: false });
  const chunk = new Chunk(65_536);
  let text = "";
  for (let bytes = pages.fill(chunk); bytes > 0; bytes = pages.fill(chunk))
    text += Buffer.from(chunk.bytes.subarray(0, bytes)).toString();
  return text;
}

/** Checks that the samples of a reading have the series and numbers of its page, labels in order, and its time. */
function checkAgainstPage(of: Reading, options: WriterOptions = {}): void {
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

/** In both versions. */
function checkVersions(of: Reading, options: WriterOptions = {}): void {
  for (const version of [1, 2] as const) checkAgainstPage(of, { ...options, version });
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
    checkVersions(parsed);
    checkVersions(parsed, { namespace: "kata", external: { cluster: "c", Zone: "z" } });
    checkVersions(parsed, { others: true });
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
      checkVersions(reading(resource("s1", more), fitting, T), { others, external: { zone: "z" } });
    },
  );
  fc.assert(property, { numRuns: 1_000 });
});

test("wherever a reading is cut, its requests have all series, and none exceeds the limit unless it has a single series", () => {
  const rows = fc.uniqueArray(
    fc.record({ name: fc.constantFrom("a", "b", "c"), points: fc.array(labels, { maxLength: 40 }) }),
    { selector: ({ name }) => name },
  );
  const property = fc.property(
    rows,
    labels,
    fc.integer({ min: 1, max: 2_000 }),
    (some, more, requestBytesMax) => {
      const one = reading(resource("s1", more), some, T);
      for (const version of [1, 2] as const) {
        const options = { version, targetInfo: true };
        const whole = writer(options);
        whole.consumer.consume(one);
        const cut = writer({ ...options, requestBytesMax });
        cut.consumer.consume(one);
        const decode = version === 1 ? decodeWriteRequest : decodeRequestV2;
        for (const message of messagesOf(cut.requests))
          assert.ok(message.length <= requestBytesMax || decode(message).length === 1);
        assert.deepEqual(cut.take(), whole.take());
      }
    },
  );
  fc.assert(property, { numRuns: 200 });
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
      'h_bucket{a="1",le="1"} 0',
      'h_bucket{a="1",le="2"} 1',
      'h_bucket{a="1",le="+Inf"} 2',
      'h_sum{a="1"} 3',
      'h_count{a="1"} 2',
      'h_bucket{a="2",le="1"} 5',
      'h_bucket{a="2",le="2"} 6',
      'h_bucket{a="2",le="+Inf"} 7',
      'h_sum{a="2"} 8',
      'h_count{a="2"} 7',
      's{quantile="0.5"} 10',
      "s_sum{} 11",
      "s_count{} 12",
    ],
  );
});

test("2.0 says with each sample what it is and since when it counts", () => {
  const { consumer, requests } = writer({ version: 2 });
  const rows: FamilyRow[] = [
    { name: "a", kind: "gauge", help: "Load.", unit: "By" },
    { name: "b", kind: "sum", help: "Load." },
    { name: "c", kind: "histogram" },
    { name: "d", kind: "summary" },
    { name: "e", kind: "unknown" },
  ];
  for (const startMs of [T - 5_000, 0])
    consumer.consume({ ...reading(resource("s1"), rows, startMs + 2 * T), startMs });
  const [started, unstarted] = messagesOf(requests).map(decodeRequestV2);
  assert.deepEqual(
    started?.map(({ labels: all, metadata, startMs }) => {
      const { type, help, unit } = metadata;
      return `${keyOf(all.slice(0, 1))} ${type} "${help}" "${unit}" ${startMs === 0 ? "" : T - startMs}`;
    }),
    [
      'a{} 2 "Load." "By" ',
      'b{} 1 "Load." "" 5000',
      'c_bucket{} 3 "" "" 5000',
      'c_sum{} 3 "" "" 5000',
      'c_count{} 3 "" "" 5000',
      'd_sum{} 5 "" "" 5000',
      'd_count{} 5 "" "" 5000',
      'e{} 0 "" "" ',
    ],
  );
  assert.ok(unstarted?.every(({ startMs }) => startMs === 0));
});

test("resources whose labels differ in length do not get each other's", () => {
  const { consumer, take } = writer();
  const names = ["a", "bb", "", "a".repeat(300), "cc", "é"];
  for (const name of [...names, ...names]) {
    const of = resource(`s${name}`, { "k8s.pod.name": name, "k8s.namespace.name": "shop" });
    consumer.consume(reading(of, [{ name: "m", points: [{}, { item: "x" }] }], T));
  }
  assert.deepEqual(
    [...new Set(take().map(({ labels: all }) => keyOf(all)))],
    names.flatMap((name) => {
      const pod = name === "" ? "" : `cri_name="${name}",`;
      return [
        `m{${pod}cri_namespace="shop",sandbox_id="s${name}"}`,
        `m{${pod}cri_namespace="shop",item="x",sandbox_id="s${name}"}`,
      ];
    }),
  );
});
