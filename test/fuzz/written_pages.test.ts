// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Interner } from "../../src/metrics/interner.ts";
import { type Kind, pointWidth, type Reading } from "../../src/metrics/model.ts";
import { PageComposer } from "../../src/prometheus/page/compose.ts";
import { Chunk, PageWriter } from "../../src/prometheus/write/page_writer.ts";
import { type ForeignParser, startForeignParsers } from "../kit/page_parsers/foreign_parsers.ts";
import { goOnWithout } from "../kit/peers.ts";
import type { Format } from "../kit/pulled_page.ts";
import { readPage } from "./page_checks.ts";

const SEED = Number(process.env["FUZZ_SEED"] ?? 1);
const ROUNDS = Number(process.env["FUZZ_ROUNDS"] ?? 600);

const interner = new Interner();

/** A few names, so that families collide, also with the suffixes of the formats, and some that no page may contain. */
const metricName = fc.oneof(
  fc
    .tuple(
      fc.constantFrom("a", "b", "a_count"),
      fc.constantFrom("", "", "_total", "_created", "_sum", "_count", "_bucket", "_info", "_gcount", "_gsum"),
      fc.constantFrom("", "", "", "_total", "_created"),
    )
    .map((parts) => parts.join("")),
  fc.constantFrom("a.count", "", "9", "ä", "_created", ":"),
);
const labelName = fc.constantFrom(
  ...["id", "le", "quantile", "x", "x.y", "x_y", "exported_x", "__name__", "..x", "", "9"],
);
const labelValue = fc.oneof(
  fc.constantFrom("", "1", '"', "\\", "\n", "\\n", '\\"', "{", "}", ",", "=", " # {", "\r", "\u2028"),
  fc.string({ unit: "binary", maxLength: 20 }),
);
const attributes = fc.array(fc.record({ key: labelName, value: labelValue }), { maxLength: 4 });
const kind = fc.constantFrom<Kind>("gauge", "sum", "sum", "histogram", "summary", "unknown");
const boundTexts = fc.constantFrom<readonly string[]>(
  ...[[], ["0.5"], ["0.5"], ["0", "0.5", "1"], ["1", "2", "1e+06"], ["-1", "0.5"], ["-Inf", "1"]],
);
const number = fc.oneof(
  fc.nat(9),
  fc.constantFrom(
    0,
    -0,
    0.5,
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    2 ** 53,
    1e300,
  ),
  fc.double(),
);

const family = fc
  .record({
    name: metricName,
    kind,
    help: labelValue,
    labels: fc.array(attributes, { maxLength: 3 }),
    boundTexts,
  })
  .map(({ boundTexts: texts, labels, ...rest }) => {
    const isCompound = rest.kind === "histogram" || rest.kind === "summary";
    const own = isCompound ? texts : [];
    const bounds = own.map((text) => Number(text.replace("Inf", "Infinity")));
    const points = labels.map((one) => ({ attributes: one, bounds, boundTexts: own }));
    return interner.family({ ...rest, unit: "", points });
  });

const reading = fc
  .record({
    id: fc.constantFrom("s1", "s2", "s3"),
    more: attributes,
    families: fc.uniqueArray(family, { maxLength: 6, selector: ({ name }) => name }),
    numbers: fc.array(number, { minLength: 1, maxLength: 40 }),
    /** Whether the buckets of histograms add up. */
    isHonest: fc.boolean(),
  })
  .map(({ id, more, families, numbers, isHonest }): Reading => {
    const schema = interner.schema(families);
    const values = Float64Array.from(
      { length: schema.width },
      (_, column) => numbers[column % numbers.length] ?? 0,
    );
    const resource = { key: id, attributes: [{ key: "id", value: id }, ...more] };
    const one = { resource, schema, values, timeMs: 0, startMs: 0 };
    if (isHonest) addUp(one);
    return one;
  });

function addUp({ schema, values }: Reading): void {
  let column = 0;
  for (const { kind: familyKind, points } of schema.families) {
    for (const { bounds } of points) {
      const end = column + pointWidth(familyKind, bounds.length);
      if (familyKind === "histogram") {
        const buckets = values.subarray(column, end - 2);
        for (const [index, value] of buckets.entries()) buckets[index] = Math.floor(Math.abs(value)) || 0;
        buckets.sort();
        values[end - 1] = values[end - 3] ?? 0;
      }
      column = end;
    }
  }
}

function render(readings: readonly Reading[], others: boolean, format: Format): string {
  const labels = { mapped: [{ label: "id", attribute: "id" }], constant: [], others };
  const composer = new PageComposer({ namespace: "", labels, onConflict: () => {} });
  const writer = new PageWriter(composer.compose(readings, { format }), { timestamps: false });
  const chunk = new Chunk(100);
  const parts: Buffer[] = [];
  for (let length = writer.fill(chunk); length > 0; length = writer.fill(chunk))
    parts.push(Buffer.from(chunk.bytes.subarray(0, length)));
  return Buffer.concat(parts).toString("utf8");
}

/** Fails where a parser of another project, or this project's own rules, find a fault in the page. */
async function check(page: string, format: Format, parsers: readonly ForeignParser[]): Promise<void> {
  const { faults, lines } = readPage(page, format);
  assert.deepEqual(faults, [], page);
  for (const parser of parsers.filter(({ formats }) => formats.includes(format))) {
    const verdict = await parser.judge(page, format);
    assert.deepEqual(verdict, { fault: null, samples: lines.length }, `${parser.name}:\n${page}`);
  }
}

test("whatever readings have, all parsers accept the whole page, in both formats", async (context) => {
  const { parsers, missing, close } = await startForeignParsers();
  try {
    goOnWithout(context, missing);
    const id = ({ resource }: Reading): string => resource.attributes[0]?.value ?? "";
    const twins = fc.tuple(
      fc.uniqueArray(reading, { maxLength: 4, selector: ({ resource }) => resource }),
      fc.constant(false),
    );
    const single = fc.tuple(fc.uniqueArray(reading, { maxLength: 3, selector: id }), fc.constant(true));
    await fc.assert(
      fc.asyncProperty(fc.oneof(twins, single), async ([readings, others]) => {
        for (const format of ["text", "openmetrics"] as const)
          await check(render(readings, others, format), format, parsers);
      }),
      { numRuns: ROUNDS, seed: SEED },
    );
  } finally {
    await close();
  }
});
