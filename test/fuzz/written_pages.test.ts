import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Interner } from "../../src/metrics/interner.ts";
import type { Reading } from "../../src/metrics/model.ts";
import { Chunk, PageWriter } from "../../src/prometheus/write.ts";
import { PageComposer } from "../../src/prometheus/write_page.ts";

const SEED = Number(process.env["FUZZ_SEED"] ?? 1);
const ROUNDS = Number(process.env["FUZZ_ROUNDS"] ?? 1_000);

const interner = new Interner();

/** Few names, so that they collide, and some that no page may hold as they are. */
const metricName = fc.constantFrom(
  "a",
  "a_sum",
  "a_count",
  "a_count_total",
  "a.count",
  "a_bucket",
  "",
  "9",
  "ä",
);
const labelName = fc.constantFrom(
  "id",
  "le",
  "quantile",
  "x",
  "x.y",
  "x_y",
  "exported_x",
  "__name__",
  "",
  "9",
);
const labelValue = fc.oneof(
  fc.constantFrom("", "1", '"', "\\", "\n"),
  fc.string({ unit: "binary", maxLength: 20 }),
);
const attributes = fc.array(fc.record({ key: labelName, value: labelValue }), { maxLength: 4 });
const kind = fc.constantFrom(
  "gauge" as const,
  "sum" as const,
  "histogram" as const,
  "summary" as const,
  "unknown" as const,
);

const family = fc
  .record({ name: metricName, kind, help: labelValue, labels: fc.array(attributes, { maxLength: 3 }) })
  .map(({ name, kind: familyKind, help, labels }) => {
    const compound = familyKind === "histogram" || familyKind === "summary";
    const bounds = compound ? { bounds: [0.5], boundTexts: ["0.5"] } : { bounds: [], boundTexts: [] };
    const points = labels.map((own) => ({ attributes: own, ...bounds }));
    return interner.family({ name, kind: familyKind, unit: "", help, points });
  });

const reading = fc
  .record({
    id: fc.constantFrom("s1", "s2", "s3"),
    more: attributes,
    families: fc.uniqueArray(family, { maxLength: 6, selector: ({ name }) => name }),
    value: fc.double(),
  })
  .map(({ id, more, families, value }): Reading => {
    const schema = interner.schema(families);
    return {
      resource: { key: id, attributes: [{ key: "id", value: id }, ...more] },
      schema,
      values: new Float64Array(schema.width).fill(value),
      timeMs: 0,
      startMs: 0,
    };
  });

function render(readings: readonly Reading[], others: boolean): string {
  const labels = { mapped: [{ label: "id", attribute: "id" }], constant: [], others };
  const composer = new PageComposer({ namespace: "", labels, onConflict: () => {} });
  const writer = new PageWriter(composer.compose(readings, { format: "text" }), { timestamps: false });
  const chunk = new Chunk(100);
  const parts: Buffer[] = [];
  for (let length = writer.fill(chunk); length > 0; length = writer.fill(chunk))
    parts.push(Buffer.from(chunk.bytes.subarray(0, length)));
  return Buffer.concat(parts).toString("utf8");
}

const HEADER = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (?:[^\\\n]|\\[\\n])*$/;
const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.+)\})? (?:NaN|[+-]Inf|-?[0-9]+(?:\.[0-9]+)?(?:e[+-][0-9]+)?)$/s;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

function labelsOf(text: string): Map<string, string> {
  const labels = new Map<string, string>();
  LABEL.lastIndex = 0;
  let end = 0;
  for (let match = LABEL.exec(text); match !== null; match = LABEL.exec(text)) {
    const [, name = "", value = ""] = match;
    assert.ok(name !== "__name__" && !labels.has(name), `label ${name} in ${text}`);
    labels.set(name, value);
    end = LABEL.lastIndex;
  }
  assert.equal(end, text.length, `labels ${text}`);
  return labels;
}

/** What Prometheus asks of a page: legal lines, one header per name, and no series twice. */
function checkPage(page: string): void {
  const headers = new Set<string>();
  const series = new Set<string>();
  for (const line of page.split("\n").slice(0, -1)) {
    const header = HEADER.exec(line);
    if (header !== null) {
      const key = `${header[1]} ${header[2]}`;
      assert.ok(!headers.has(key), `${key} twice`);
      headers.add(key);
      continue;
    }
    const sample = SAMPLE.exec(line);
    assert.ok(sample !== null, JSON.stringify(line));
    const labels = [...labelsOf(sample[2] ?? "")].filter(([, value]) => value !== "");
    const key = `${sample[1]} ${JSON.stringify(labels.sort())}`;
    assert.ok(!series.has(key), `${key} twice`);
    series.add(key);
  }
}

test("whatever sources bring, the page is one that Prometheus takes", () => {
  const id = ({ resource }: Reading): string => resource.attributes[0]?.value ?? "";
  const twins = fc.tuple(
    fc.uniqueArray(reading, { maxLength: 4, selector: ({ resource }) => resource }),
    fc.constant(false),
  );
  const single = fc.tuple(fc.uniqueArray(reading, { maxLength: 3, selector: id }), fc.constant(true));
  fc.assert(
    fc.property(fc.oneof(twins, single), ([readings, others]) => checkPage(render(readings, others))),
    { numRuns: ROUNDS, seed: SEED },
  );
});
