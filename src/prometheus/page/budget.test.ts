// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { type FamilySpec, Interner } from "../../metrics/interner.ts";
import type { Attribute, Point, Reading, Resource } from "../../metrics/model.ts";
import { Chunk, PageWriter } from "../write/page_writer.ts";
import { type BudgetOptions, waterLevel } from "./budget.ts";
import { type ComposerOptions, PageComposer } from "./compose.ts";
import type { PageFormat } from "./page_format.ts";

const interner = new Interner();

interface FamilyInput extends Partial<FamilySpec> {
  readonly name: string;
  /** So many points with a label `item`, unless there are `points`. */
  readonly series?: number;
}

function points(count: number): readonly Point[] {
  return Array.from({ length: count }, (_, i) => ({
    attributes: [{ key: "item", value: `i${i}` }],
    bounds: [],
    boundTexts: [],
  }));
}

const resources = new Map<string, Resource>();

/** A reading of the sandbox: what the agent and the host say of each, and these families. */
function reading(id: string, ...more: readonly FamilyInput[]): Reading {
  const inputs: FamilyInput[] = [
    { name: "kata_collector_sandbox_up", series: 1 },
    { name: "kata_shim_fds", series: 100 },
    ...more,
  ];
  const families = inputs.map(({ series = 1, ...spec }) =>
    interner.family({ kind: "gauge", unit: "", help: "a text", points: points(series), ...spec }),
  );
  const schema = interner.schema(families);
  const resource = resources.get(id) ?? { key: id, attributes: [{ key: "id", value: id }] };
  resources.set(id, resource);
  return {
    resource,
    schema,
    values: new Float64Array(schema.width).map((_, i) => i + 0.5),
    timeMs: 1_700_000_000_123,
    startMs: 0,
  };
}

const HONEST: FamilyInput = { name: "kata_guest_meminfo", series: 1_700 };

function scene(budget: Partial<BudgetOptions>, options: Partial<ComposerOptions> = {}) {
  const cuts: string[] = [];
  const tooLarge: string[] = [];
  const composer = new PageComposer({
    namespace: "",
    labels: { mapped: [{ label: "sandbox_id", attribute: "id" }], constant: [], others: false },
    onConflict: () => {},
    ...options,
    budget: {
      interner,
      samplesMax: Number.POSITIVE_INFINITY,
      bytesMax: Number.POSITIVE_INFINITY,
      timestamps: false,
      onCut: ({ key }, limit) => cuts.push(`${key} ${limit}`),
      onTooLarge: (limit, isTooLarge) => isTooLarge && tooLarge.push(limit),
      ...budget,
    },
  });
  const page = (
    readings: readonly Reading[],
    { format = "text", prefixes }: { format?: PageFormat; prefixes?: readonly string[] } = {},
  ): readonly string[] => {
    cuts.length = 0;
    tooLarge.length = 0;
    const composed = composer.compose(readings, { format, prefixes });
    const writer = new PageWriter(composed, { timestamps: budget.timestamps ?? false });
    const chunk = new Chunk(65_536);
    let text = "";
    for (let length = writer.fill(chunk); length > 0; length = writer.fill(chunk))
      text += Buffer.from(chunk.bytes.subarray(0, length)).toString("latin1");
    return text.split("\n").slice(0, -1);
  };
  return { page, cuts, tooLarge };
}

/** The number of samples that the sandbox has on the page, by family. */
function samplesOf(page: readonly string[], id: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of page) {
    if (line.startsWith("#") || !line.includes(`sandbox_id="${id}"`)) continue;
    const name = line.slice(0, line.indexOf("{"));
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const isSample = (line: string): boolean => !line.startsWith("#");
const bytesOf = (page: readonly string[]): number => page.reduce((sum, line) => sum + line.length + 1, 0);

test("the level is the highest at which all fit, and no cost is cut below its floor", () => {
  const check = (costs: readonly number[], floor: number, budget: number, want: number | undefined): void =>
    assert.equal(
      waterLevel(
        costs,
        costs.map(() => floor),
        budget,
      ),
      want,
    );
  check([100, 200, 3_000], 0, 1_000, 700);
  check([100, 3_000, 5_000], 0, 1_100, 500);
  check([100, 3_000, 5_000], 600, 1_400, 650);
  check([100, 3_000, 5_000], 600, 1_300, 600);
  check([100, 3_000, 5_000], 600, 1_299, undefined);
  check([100, 200, 300], 400, 500, undefined);
  check([10.5, 20.5], 0, 30, 19);
});

test("the largest sandbox loses unknown families, then the largest of its guest, until the page fits; others lose nothing", () => {
  const known: FamilyInput = { name: "kata_guest_load", series: 900 };
  const unknown: FamilyInput = { name: "kata_guest_zzz", series: 50 };
  const offender = reading("bad", HONEST, known, unknown, { name: "kata_agent_yyy", series: 2_000 });
  const honest = ["a", "b", "c"].map((id) => reading(id, HONEST));
  const whole = { ...samplesOf(scene({}).page(honest), "a") };
  const rows: readonly (readonly [samplesMax: number, left: Record<string, number>])[] = [
    [9_000, { kata_guest_meminfo: 1_700, kata_guest_load: 900, kata_guest_zzz: 50 }],
    [8_110, { kata_guest_meminfo: 1_700, kata_guest_load: 900 }],
    [8_100, { kata_guest_load: 900 }],
    // The floor.
    [7_000, { kata_guest_load: 900 }],
  ];
  for (const [samplesMax, left] of rows) {
    const { page, cuts, tooLarge } = scene({ samplesMax });
    const text = page([...honest, offender]);
    assert.deepEqual(samplesOf(text, "bad"), {
      kata_collector_sandbox_up: 1,
      kata_shim_fds: 100,
      ...left,
      kata_collector_sandbox_limited: 1,
    });
    assert.ok(text.includes('kata_collector_sandbox_limited{limit="page_samples",sandbox_id="bad"} 1'));
    for (const id of ["a", "b", "c"]) assert.deepEqual(samplesOf(text, id), whole);
    assert.deepEqual(cuts, ["bad page_samples"]);
    if (tooLarge.length === 0) assert.ok(text.filter(isSample).length <= samplesMax);
  }
  const { page, cuts } = scene({ samplesMax: 3 * 1_801 + 4_751 });
  assert.equal(samplesOf(page([...honest, offender]), "bad")["kata_agent_yyy"], 2_000);
  assert.deepEqual(cuts, [], "it fits");
});

test("the rest of a reading keeps its numbers", () => {
  const offender = reading("bad", { name: "kata_guest_zzz", series: 3_000 }, { name: "kata_guest_load" });
  const { page } = scene({ samplesMax: 2_500 });
  const lines = page([offender]).filter((line) => line.startsWith("kata_guest_load"));
  assert.deepEqual(lines, ['kata_guest_load{item="i0",sandbox_id="bad"} 3101.5']);
});

test("honest sandboxes alone are never cut, and a limit that is too small is reported", () => {
  const honest = Array.from({ length: 20 }, (_, i) => reading(`s${i}`, HONEST));
  for (const limit of ["page_samples", "page_bytes"] as const) {
    const budget = limit === "page_samples" ? { samplesMax: 10_000 } : { bytesMax: 100_000 };
    const { page, cuts, tooLarge } = scene(budget);
    const text = page(honest);
    assert.equal(text.filter(isSample).length, 20 * 1_801);
    assert.deepEqual([cuts, tooLarge], [[], [limit]]);
    page(honest.slice(0, 1));
    assert.deepEqual(tooLarge, limit === "page_samples" ? [] : [limit]);
  }
});

test("equal sandboxes are cut equally, and in the same way on page after page", () => {
  const bad = (id: string, from: number): Reading =>
    reading(
      id,
      ...Array.from({ length: 30 }, (_, i) => ({ name: `kata_guest_new_${from + i}`, series: 100 })),
    );
  const readings = [
    ...["a", "b"].map((id) => reading(id, HONEST)),
    ...["x", "y", "z"].map((id, i) => bad(id, i * 100)),
  ];
  const { page, cuts } = scene({ samplesMax: 10_000 });
  const first = page(readings);
  assert.deepEqual(
    cuts,
    ["x", "y", "z"].map((id) => `${id} page_samples`),
  );
  const total = (id: string): number => Object.values(samplesOf(first, id)).reduce((a, b) => a + b, 0);
  assert.deepEqual(["x", "y", "z"].map(total), [2_102, 2_102, 2_102]);
  for (const order of [readings, readings.toReversed(), readings]) {
    const again = page(order.map((one) => ({ ...one, timeMs: 1 })));
    assert.deepEqual(again.toSorted(), first.toSorted());
  }
});

function wide(count: number, attributes: readonly Attribute[]): readonly Point[] {
  return Array.from({ length: count }, (_, i) => ({
    attributes: [{ key: "item", value: String(i) }, ...attributes],
    bounds: [],
    boundTexts: [],
  }));
}

const LONG = { key: "long", value: "x".repeat(256) };
const ESCAPES: readonly Attribute[] = [
  { key: "sandbox_id", value: '"\\\n'.repeat(80) },
  { key: "exported_sandbox_id", value: "é".repeat(100) },
];
const BOUNDS = Array.from({ length: 1_000 }, (_, i) => i);
/** Samples of one family each, cut in halves, so that there is something to lose. */
const HOSTILE: Readonly<Record<string, readonly FamilyInput[]>> = {
  "long values": halves({ name: "kata_guest_long", points: wide(2_500, [LONG]) }),
  "escapes, and labels that are called as the resource's": halves({
    name: "kata_guest_escapes",
    points: wide(1_500, ESCAPES),
  }),
  "histograms of a thousand buckets": halves({
    name: "kata_guest_buckets",
    kind: "histogram",
    points: wide(4, [LONG]).map((one) => ({
      ...one,
      bounds: BOUNDS,
      boundTexts: BOUNDS.map((at) => `${at}.0`),
    })),
  }),
  "many families with long texts": Array.from({ length: 300 }, (_, i) => ({
    name: `kata_guest_many_${i}`,
    help: "\\\n".repeat(1_500),
  })),
};

function halves(input: FamilyInput): readonly FamilyInput[] {
  return [input, { ...input, name: `${input.name}_too` }];
}

test("the bytes of a page are just below its limit, whatever makes them many", () => {
  const honest = ["a", "b"].map((id) => reading(id, { name: "kata_guest_meminfo", series: 300 }));
  const plain = { format: "text", timestamps: false, constant: [] } as const;
  const more = {
    format: "openmetrics",
    timestamps: true,
    constant: [{ key: "cluster", value: "c".repeat(200) }],
  } as const;
  for (const [what, hostile] of Object.entries(HOSTILE)) {
    const offender = reading("bad", ...hostile);
    // Numbers that take as many bytes as numbers can; what is a histogram is one.
    offender.values.fill(what.startsWith("histograms") ? 9_007_199_254_740_991 : -Number.MAX_VALUE);
    for (const { format, timestamps, constant } of [plain, more]) {
      const labels = { mapped: [{ label: "sandbox_id", attribute: "id" }], constant, others: false };
      const options = { labels, namespace: "ns" };
      const whole = bytesOf(scene({ timestamps }, options).page([...honest, offender], { format }));
      const enough = scene({ timestamps, bytesMax: Math.ceil(whole * 1.1) }, options);
      assert.equal(bytesOf(enough.page([...honest, offender], { format })), whole, what);
      assert.deepEqual(enough.cuts, [], what);
      const bytesMax = Math.ceil(whole * 0.7);
      const { page, cuts, tooLarge } = scene({ timestamps, bytesMax }, options);
      const bytes = bytesOf(page([...honest, offender], { format }));
      assert.deepEqual([cuts, tooLarge], [["bad page_bytes"], []], what);
      assert.ok(bytes <= bytesMax, `${what}: ${bytes} of ${bytesMax} bytes`);
    }
  }
});

test("both limits can cut one sandbox, in addition to limits that it reached before", () => {
  const limited = {
    name: "kata_collector_sandbox_limited",
    points: [{ attributes: [{ key: "limit", value: "samples" }], bounds: [], boundTexts: [] }],
  };
  const long = {
    name: "kata_guest_load",
    points: Array.from({ length: 1_000 }, (_, i) => ({
      attributes: [{ key: "a", value: `${i}${"x".repeat(1_000)}` }],
      bounds: [],
      boundTexts: [],
    })),
  };
  const { page } = scene({ samplesMax: 2_500, bytesMax: 600_000 });
  const text = page([reading("bad", limited, long, { name: "kata_guest_new", series: 3_000 })]);
  assert.deepEqual(
    text.filter((line) => line.startsWith("kata_collector_sandbox_limited{")),
    ["page_bytes", "page_samples", "samples"].map(
      (limit) => `kata_collector_sandbox_limited{limit="${limit}",sandbox_id="bad"} 1`,
    ),
  );
});

test("a page of chosen families has the same series of them as the whole page", () => {
  const readings = [reading("a", HONEST), reading("bad", HONEST, { name: "kata_guest_new", series: 2_000 })];
  const { page } = scene({ samplesMax: 4_000 });
  const part = page(readings, { prefixes: ["kata_guest_"] });
  assert.deepEqual(
    part,
    page(readings).filter((line) => line.includes("kata_guest_")),
  );
  assert.equal(samplesOf(part, "bad")["kata_guest_new"], undefined);
});
