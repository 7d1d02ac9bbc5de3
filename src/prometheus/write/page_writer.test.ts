// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { type FamilySpec, Interner } from "../../metrics/interner.ts";
import type { Attribute, Kind, Point, Reading } from "../../metrics/model.ts";
import { type ComposeOptions, type ComposerOptions, PageComposer } from "../page/compose.ts";
import type { Conflict } from "../series/conflict.ts";
import { Chunk, PageWriter, type WriteOptions } from "./page_writer.ts";

const interner = new Interner();
type Options = WriteOptions & ComposeOptions;
const TEXT: Options = { format: "text", timestamps: false };
const OPEN_METRICS: Options = { format: "openmetrics", timestamps: false };
const SANDBOX_LABEL = {
  mapped: [{ label: "sandbox_id", attribute: "id" }],
  constant: [],
  others: false,
};

type FamilyInput = Partial<FamilySpec> & { readonly name: string; readonly values: readonly number[] };

function point(labels: Record<string, string> = {}, bounds: readonly string[] = []): Point {
  const attributes = Object.entries(labels).map(([key, value]) => ({ key, value }));
  return { attributes, bounds: bounds.map(Number), boundTexts: bounds };
}

function reading(id: string, inputs: readonly FamilyInput[], more: readonly Attribute[] = []): Reading {
  const families = inputs.map(({ values: _, ...spec }) =>
    interner.family({ kind: "gauge", unit: "", help: "", points: [point()], ...spec }),
  );
  return {
    resource: { key: `kata/${id}`, attributes: [{ key: "id", value: id }, ...more] },
    schema: interner.schema(families),
    values: Float64Array.from(inputs.flatMap(({ values }) => values)),
    timeMs: 1_700_000_000_123,
    startMs: 0,
  };
}

function composer(options: Partial<ComposerOptions> = {}) {
  const conflicts: Conflict[] = [];
  const pages = new PageComposer({
    namespace: "",
    labels: SANDBOX_LABEL,
    onConflict: (conflict) => conflicts.push(conflict),
    ...options,
  });
  const render = (readings: readonly Reading[], { options = TEXT, chunkBytes = 4_096 } = {}): string => {
    const writer = new PageWriter(pages.compose(readings, options), options);
    const chunk = new Chunk(chunkBytes);
    let text = "";
    for (let length = writer.fill(chunk); length > 0; length = writer.fill(chunk))
      text += Buffer.from(chunk.bytes.subarray(0, length)).toString("utf8");
    return text;
  };
  return { render, conflicts };
}

interface Case {
  readonly readings: readonly Reading[];
  readonly options?: Options;
  readonly page?: Partial<ComposerOptions>;
  readonly want: readonly string[];
  readonly conflicts?: readonly string[];
}

function check({ readings, options = TEXT, page = {}, want, conflicts = [] }: Case): void {
  const { render, conflicts: found } = composer(page);
  assert.deepEqual(render(readings, { options }).split("\n").slice(0, -1), want);
  assert.deepEqual(
    found.map(({ reason, name }) => `${reason} ${name}`),
    conflicts,
  );
}

test("a sample's own labels come first, then the resource's in the order of the mapping", () => {
  check({
    readings: [
      reading("s1", [{ name: "net", points: [point({ interface: "eth0", item: "sent" })], values: [1] }]),
    ],
    page: {
      labels: {
        mapped: [
          { label: "sandbox_id", attribute: "id" },
          { label: "cri_name", attribute: "k8s.pod.name" },
        ],
        constant: [{ key: "node", value: "n1" }],
        others: false,
      },
    },
    want: ["# TYPE net gauge", 'net{interface="eth0",item="sent",sandbox_id="s1",cri_name="",node="n1"} 1'],
  });
});

test("without any label a line has no braces", () => {
  check({
    readings: [reading("s1", [{ name: "m", points: [point(), point({ a: "b" })], values: [1, 2] }])],
    page: { labels: { mapped: [], constant: [], others: false } },
    want: ["# TYPE m gauge", "m 1", 'm{a="b"} 2'],
  });
});

test("families come in order of names, with their help once", () => {
  check({
    readings: [
      reading("s1", [
        { name: "b", help: 'Bees\\\n"x".', kind: "sum", values: [1] },
        { name: "a", values: [2] },
      ]),
      reading("s2", [{ name: "b", help: "Other.", kind: "sum", values: [3] }]),
    ],
    want: [
      "# TYPE a gauge",
      'a{sandbox_id="s1"} 2',
      '# HELP b Bees\\\\\\n"x".',
      "# TYPE b counter",
      'b{sandbox_id="s1"} 1',
      'b{sandbox_id="s2"} 3',
    ],
  });
});

test("the lines of a resource's histogram stay together", () => {
  const histogram = {
    name: "rpc",
    kind: "histogram" as const,
    points: [point({ action: "x" }, ["1", "1e+06"])],
  };
  check({
    readings: [
      reading("s1", [{ ...histogram, values: [1, 2, 3, 4.5, 3] }]),
      reading("s2", [{ ...histogram, values: [0, 0, 0, 0, 0] }]),
    ],
    want: [
      "# TYPE rpc histogram",
      'rpc_bucket{action="x",le="1",sandbox_id="s1"} 1',
      'rpc_bucket{action="x",le="1e+06",sandbox_id="s1"} 2',
      'rpc_bucket{action="x",le="+Inf",sandbox_id="s1"} 3',
      'rpc_sum{action="x",sandbox_id="s1"} 4.5',
      'rpc_count{action="x",sandbox_id="s1"} 3',
      'rpc_bucket{action="x",le="1",sandbox_id="s2"} 0',
      'rpc_bucket{action="x",le="1e+06",sandbox_id="s2"} 0',
      'rpc_bucket{action="x",le="+Inf",sandbox_id="s2"} 0',
      'rpc_sum{action="x",sandbox_id="s2"} 0',
      'rpc_count{action="x",sandbox_id="s2"} 0',
    ],
  });
});

test("a summary has its quantiles, then sum and count", () => {
  check({
    readings: [
      reading("s1", [{ name: "gc", kind: "summary", points: [point({}, ["0.5"])], values: [0.1, 2, 3] }]),
    ],
    want: [
      "# TYPE gc summary",
      'gc{quantile="0.5",sandbox_id="s1"} 0.1',
      'gc_sum{sandbox_id="s1"} 2',
      'gc_count{sandbox_id="s1"} 3',
    ],
  });
});

test("scalars come series by series", () => {
  const net = { name: "net", points: [point({ item: "a" }), point({ item: "b" })] };
  check({
    readings: [reading("s1", [{ ...net, values: [1, 2] }]), reading("s2", [{ ...net, values: [3, 4] }])],
    want: [
      "# TYPE net gauge",
      'net{item="a",sandbox_id="s1"} 1',
      'net{item="a",sandbox_id="s2"} 3',
      'net{item="b",sandbox_id="s1"} 2',
      'net{item="b",sandbox_id="s2"} 4',
    ],
  });
});

test("values and help are escaped, whatever they hold", () => {
  check({
    readings: [reading('s"1\\\n', [{ name: "m", points: [point({ mount: 'é"\\\n}' })], values: [1] }])],
    want: ["# TYPE m gauge", 'm{mount="é\\"\\\\\\n}",sandbox_id="s\\"1\\\\\\n"} 1'],
  });
});

test("names that Prometheus would refuse are made legal", () => {
  check({
    readings: [
      reading("s1", [{ name: "1.cpu-time", points: [point({ "a.b": "x", "9": "y" })], values: [1] }]),
    ],
    want: ["# TYPE _1_cpu_time gauge", '_1_cpu_time{_9="y",a_b="x",sandbox_id="s1"} 1'],
  });
});

test("a namespace is put before every name", () => {
  check({
    readings: [reading("s1", [{ name: "m", values: [1] }])],
    page: { namespace: "kata" },
    want: ["# TYPE kata_m gauge", 'kata_m{sandbox_id="s1"} 1'],
  });
});

test("a sample's label never replaces a label of the resource", () => {
  check({
    readings: [
      reading("s1", [
        {
          name: "m",
          points: [point({ sandbox_id: "forged", "sandbox.id": "too", __name__: "n" })],
          values: [1],
        },
        { name: "h", kind: "histogram", points: [point({ le: "x" })], values: [1, 2, 1] },
      ]),
    ],
    want: [
      "# TYPE h histogram",
      'h_bucket{exported_le="x",le="+Inf",sandbox_id="s1"} 1',
      'h_sum{exported_le="x",sandbox_id="s1"} 2',
      'h_count{exported_le="x",sandbox_id="s1"} 1',
      "# TYPE m gauge",
      'm{exported_sandbox_id="forged",exported_exported_sandbox_id="too",exported___name__="n",sandbox_id="s1"} 1',
    ],
    conflicts: ["label h", "label m", "label m", "label m"],
  });
});

test("points that become the same series are written once", () => {
  const points = [
    point({ a: "1", b: "2" }),
    point({ b: "2", a: "1" }),
    point({ a: "1", b: "2", c: "" }),
    point(),
  ];
  check({
    readings: [reading("s1", [{ name: "m", points, values: [1, 2, 3, 4] }])],
    want: ["# TYPE m gauge", 'm{a="1",b="2",sandbox_id="s1"} 1', 'm{sandbox_id="s1"} 4'],
    conflicts: ["series m", "series m"],
  });
});

test("resources with the same labels share a page family by family", () => {
  check({
    readings: [
      reading("s1", [{ name: "m", values: [1] }]),
      reading("s1", [
        { name: "m", values: [2] },
        { name: "n", values: [3] },
      ]),
    ],
    want: ["# TYPE m gauge", 'm{sandbox_id="s1"} 1', "# TYPE n gauge", 'n{sandbox_id="s1"} 3'],
    conflicts: ["series m"],
  });
});

test("attributes of the resource become labels if the option is set", () => {
  const more = [
    { key: "z", value: "1" },
    { key: "app.kubernetes.io/name", value: "shop" },
    { key: "sandbox_id", value: "forged" },
  ];
  check({
    readings: [
      reading("s1", [{ name: "m", points: [point({ z: "own" })], values: [1] }], more),
      reading("s2", [{ name: "m", points: [point({ z: "own" })], values: [2] }]),
    ],
    page: { labels: { ...SANDBOX_LABEL, others: true } },
    want: [
      "# TYPE m gauge",
      'm{exported_z="own",sandbox_id="s1",app_kubernetes_io_name="shop",exported_sandbox_id="forged",z="1"} 1',
      'm{z="own",sandbox_id="s2"} 2',
    ],
    conflicts: ["label m"],
  });
});

test("scalars that differ in kind have no type, whichever came first", () => {
  check({
    readings: [
      reading("s1", [{ name: "mixed", kind: "sum", values: [1] }]),
      reading("s2", [{ name: "mixed", kind: "gauge", values: [2] }]),
    ],
    want: ["# TYPE mixed untyped", 'mixed{sandbox_id="s1"} 1', 'mixed{sandbox_id="s2"} 2'],
    conflicts: ["type mixed"],
  });
});

function histogramOf(id: string, name: string): Reading {
  return reading(id, [{ name, kind: "histogram", values: [1, 2, 1] }]);
}

function gaugeOf(id: string, name: string): Reading {
  return reading(id, [{ name, values: [1] }]);
}

/** Which type each name has on the page. */
function types(page: string): string[] {
  return [...page.matchAll(/^# TYPE (.*)$/gm)].map(([, type = ""]) => type);
}

test("of a histogram and a gauge of one name the page keeps the one that it shows, unless twice as many resources have the other", () => {
  const { render, conflicts } = composer();
  const liar = gaugeOf("liar", "rpc");
  const honest = ["s1", "s2", "s3"].map((id) => histogramOf(id, "rpc"));
  assert.deepEqual(types(render([liar])), ["rpc gauge"]);
  assert.deepEqual(types(render([liar, ...honest.slice(0, 1)])), ["rpc gauge"]);
  assert.deepEqual(types(render([liar, ...honest.slice(0, 2)])), ["rpc gauge"]);
  assert.deepEqual(types(render([liar, ...honest])), ["rpc histogram"]);
  assert.deepEqual(types(render([liar, ...honest.slice(0, 1)])), ["rpc histogram"]);
  assert.equal(conflicts.length, 4);
});

test("of families that come together the one with most resources is shown, and of equals the one seen first", () => {
  const many = composer();
  assert.deepEqual(types(many.render([histogramOf("s1", "x"), gaugeOf("s2", "x"), gaugeOf("s3", "x")])), [
    "x gauge",
  ]);
  const first = histogramOf("s1", "seen_first");
  const second = gaugeOf("s2", "seen_first");
  assert.deepEqual(types(composer().render([second, first])), ["seen_first histogram"]);
});

test("a family and another one's lines cannot have the same name", () => {
  const { render, conflicts } = composer();
  const count = gaugeOf("s1", "agent_scrape_count");
  const liar = histogramOf("liar", "agent_scrape");
  assert.deepEqual(types(render([count, liar])), ["agent_scrape histogram"]);
  const others = ["s2", "s3"].map((id) => gaugeOf(id, "agent_scrape_count"));
  assert.deepEqual(types(render([count, liar, ...others])), ["agent_scrape_count gauge"]);
  assert.deepEqual(
    conflicts.map(({ reason, name }) => `${reason} ${name}`),
    ["name agent_scrape_count", "name agent_scrape_count"],
  );
});

test("OpenMetrics ends, and calls counters by the name before _total", () => {
  const families = [
    { name: "cpu_seconds_total", kind: "sum" as Kind, help: 'A "b".', values: [1] },
    { name: "scrape_count", kind: "sum" as Kind, values: [2] },
    { name: "free", kind: "unknown" as Kind, values: [3] },
    { name: "taken", values: [4] },
    { name: "taken_total", kind: "sum" as Kind, values: [5] },
  ];
  check({
    readings: [reading("s1", families)],
    options: OPEN_METRICS,
    want: [
      '# HELP cpu_seconds A \\"b\\".',
      "# TYPE cpu_seconds counter",
      'cpu_seconds_total{sandbox_id="s1"} 1',
      "# TYPE free unknown",
      'free{sandbox_id="s1"} 3',
      "# TYPE scrape_count unknown",
      'scrape_count{sandbox_id="s1"} 2',
      "# TYPE taken gauge",
      'taken{sandbox_id="s1"} 4',
      "# TYPE taken_total unknown",
      'taken_total{sandbox_id="s1"} 5',
      "# EOF",
    ],
  });
});

/** The declarations of the OpenMetrics page, by its TYPE lines. */
function declared(...readings: readonly Reading[]): string[] {
  return types(composer().render(readings, { options: OPEN_METRICS }));
}

test("an OpenMetrics counter takes no name of another family, nor does one take its _created", () => {
  const sum = (name: string) => reading("s1", [{ name, kind: "sum", values: [1] }]);
  const both = (one: FamilyInput, other: FamilyInput) => reading("s1", [one, other]);
  const total = { name: "x_total", kind: "sum" as const, values: [1] };
  assert.deepEqual(declared(sum("x_total")), ["x counter"]);
  assert.deepEqual(declared(both(total, { name: "x_created", values: [1] })), [
    "x_created gauge",
    "x_total unknown",
  ]);
  assert.deepEqual(declared(both(total, { name: "x", kind: "histogram", values: [1, 1, 1] })), [
    "x histogram",
    "x_total unknown",
  ]);
  // The first takes x_created, which the second would have beside it.
  assert.deepEqual(declared(both(total, { name: "x_created_total", kind: "sum", values: [1] })), [
    "x_created counter",
    "x_total unknown",
  ]);
  assert.deepEqual(declared(sum("_total")), ["_total unknown"]);
});

test("OpenMetrics has no family with the name of a histogram or summary and _created", () => {
  const created = { name: "x_created", values: [1] };
  for (const [kind, values] of [
    ["histogram", [1, 1, 1]],
    ["summary", [1, 1]],
  ] as const) {
    const page = [reading("s1", [{ name: "x", kind, values }, created])];
    const { render, conflicts } = composer();
    assert.deepEqual(types(render(page)), [`x ${kind}`, "x_created gauge"]);
    assert.deepEqual(types(render(page, { options: OPEN_METRICS })), [`x ${kind}`]);
    assert.deepEqual(conflicts, [{ reason: "name", name: "x_created" }]);
  }
});

test("a family that is a counter of some resources only is none in OpenMetrics, whatever its numbers", () => {
  const counter = reading("s1", [{ name: "mixed_first_total", kind: "sum", values: [1] }]);
  const gauge = reading("s2", [{ name: "mixed_first_total", values: [-1] }]);
  check({
    readings: [counter, gauge],
    options: OPEN_METRICS,
    want: [
      "# TYPE mixed_first_total unknown",
      'mixed_first_total{sandbox_id="s1"} 1',
      'mixed_first_total{sandbox_id="s2"} -1',
      "# EOF",
    ],
    conflicts: ["type mixed_first_total"],
  });
});

test("points that OpenMetrics forbids are left out of its page only", () => {
  const items = ["a", "b", "c", "d", "e"].map((item) => point({ item }));
  const counter = { name: "n_total", kind: "sum" as const, points: items };
  const bad = [1, -1, Number.NaN, Number.POSITIVE_INFINITY, 0];
  check({
    readings: [reading("s1", [{ ...counter, values: bad }])],
    options: OPEN_METRICS,
    want: [
      "# TYPE n counter",
      'n_total{item="a",sandbox_id="s1"} 1',
      'n_total{item="e",sandbox_id="s1"} 0',
      "# EOF",
    ],
    conflicts: ["value n_total", "value n_total", "value n_total"],
  });
  check({
    readings: [reading("s1", [{ ...counter, values: bad }])],
    want: [
      "# TYPE n_total counter",
      ...["a", "b", "c", "d", "e"].map(
        (item, index) => `n_total{item="${item}",sandbox_id="s1"} ${["1", "-1", "NaN", "+Inf", "0"][index]}`,
      ),
    ],
  });
});

test("OpenMetrics has only histograms that add up from 0, and summaries without negative numbers", () => {
  const shows = (kind: Kind, bounds: readonly string[], values: readonly number[]): boolean => {
    const page = [reading("s1", [{ name: "m", kind, points: [point({}, bounds)], values }])];
    assert.equal(types(composer().render(page)).length, 1);
    return types(composer().render(page, { options: OPEN_METRICS })).length === 1;
  };
  const { NaN: none, POSITIVE_INFINITY: endless } = Number;
  assert.ok(shows("histogram", ["0", "1"], [1, 1, 2, 0.5, 2]));
  assert.ok(shows("histogram", [], [2, endless, 2]));
  assert.ok(!shows("histogram", ["0", "1"], [2, 1, 2, 0.5, 2]));
  assert.ok(!shows("histogram", ["0", "1"], [1, 1, 2, 0.5, 3]));
  assert.ok(!shows("histogram", ["0", "1"], [1, 1.5, 2, 0.5, 2]));
  assert.ok(!shows("histogram", ["0", "1"], [1, 1, 2, -0.5, 2]));
  assert.ok(!shows("histogram", ["0", "1"], [1, 1, 2, none, 2]));
  assert.ok(!shows("histogram", ["-1", "1"], [1, 1, 2, 0.5, 2]));
  assert.ok(shows("summary", ["0", "1"], [none, endless, 0, 2]));
  assert.ok(!shows("summary", ["0", "1"], [-1, 1, 0, 2]));
  assert.ok(!shows("summary", ["0", "2"], [1, 1, 0, 2]));
  assert.ok(!shows("summary", ["-0.5"], [1, 0, 2]));
  assert.ok(!shows("summary", [], [-1, 2]));
  assert.ok(!shows("summary", [], [none, 2]));
  assert.ok(!shows("summary", [], [1, 1.5]));
});

test("timestamps are milliseconds in the text format and seconds in OpenMetrics", () => {
  const readings = [reading("s1", [{ name: "m", values: [1] }])];
  check({
    readings,
    options: { format: "text", timestamps: true },
    want: ["# TYPE m gauge", 'm{sandbox_id="s1"} 1 1700000000123'],
  });
  check({
    readings,
    options: { format: "openmetrics", timestamps: true },
    want: ["# TYPE m gauge", 'm{sandbox_id="s1"} 1 1700000000.123', "# EOF"],
  });
});

test("the page is the same whatever the size of the chunks", () => {
  const rows = Array.from({ length: 230 }, (_, row) =>
    reading(`sandbox-${row}`, [
      { name: "net", points: ["a", "b", "ü"].map((item) => point({ item })), values: [row, 2 * row, 0.5] },
      { name: "rpc", kind: "histogram", points: [point({}, ["1"])], values: [row, row, row, row] },
      { name: "long", help: "x".repeat(500), points: [point({ long: "y".repeat(500) })], values: [row] },
    ]),
  );
  const { render } = composer();
  const want = render(rows, { chunkBytes: 1 << 20 });
  assert.equal(want.split("\n").length - 1, 3 + 1 + 230 * (3 + 4 + 1));
  for (const chunkBytes of [1, 64, 1_000, 5_003])
    assert.ok(render(rows, { chunkBytes }) === want, `${chunkBytes}`);
  const inTile = /^net\{item="a",sandbox_id="sandbox-99"\} 99\nnet\{item="b",sandbox_id="sandbox-0"\} 0$/m;
  assert.match(want, inTile);
});

test("an empty page is empty, except for the end of OpenMetrics", () => {
  check({ readings: [], want: [] });
  check({ readings: [], options: OPEN_METRICS, want: ["# EOF"] });
});
