// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { Interner } from "../../metrics/interner.ts";
import type { Kind } from "../../metrics/model.ts";
import { seriesOf, seriesText } from "./series.ts";

const interner = new Interner();

/** The lines as `name suffix{labels}@column`, of points with these attributes and bounds 0.5 and 1 where the kind has some. */
function check(
  kind: Kind,
  points: readonly Readonly<Record<string, string>>[],
  { want, renamed = 0, duplicates = 0 }: { want: readonly string[]; renamed?: number; duplicates?: number },
): void {
  const bounds = kind === "histogram" || kind === "summary" ? [0.5, 1] : [];
  const family = interner.family({
    name: "f",
    kind,
    unit: "",
    help: "",
    points: points.map((attributes) => ({
      attributes: Object.entries(attributes).map(([key, value]) => ({ key, value })),
      bounds,
      boundTexts: bounds.map(String),
    })),
  });
  const { points: lines, renamedLabels, duplicatePoints } = seriesOf(family, new Set(["sandbox_id"]));
  const texts = lines
    .flat()
    .map(({ suffix, labels, column }) => `${suffix}{${labels.map((one) => one.join("=")).join()}}@${column}`);
  assert.deepEqual(texts, want);
  assert.deepEqual([renamedLabels, duplicatePoints], [renamed, duplicates]);
}

test("every kind has its lines, in the order of its columns", () => {
  check("gauge", [{ a: "1" }, { a: "2" }], { want: ["{a=1}@0", "{a=2}@1"] });
  check("histogram", [{ a: "1" }], {
    want: [
      "_bucket{a=1,le=0.5}@0",
      "_bucket{a=1,le=1}@1",
      "_bucket{a=1,le=+Inf}@2",
      "_sum{a=1}@3",
      "_count{a=1}@4",
    ],
  });
  check("summary", [{}], { want: ["{quantile=0.5}@0", "{quantile=1}@1", "_sum{}@2", "_count{}@3"] });
});

test("a label whose name is taken gets another name, and an illegal one gets a legal name", () => {
  check("gauge", [{ sandbox_id: "1", "a-b": "2", a_b: "3" }], {
    want: ["{exported_sandbox_id=1,a_b=2,exported_a_b=3}@0"],
    renamed: 2,
  });
  check("summary", [{ quantile: "x" }], {
    want: [
      "{exported_quantile=x,quantile=0.5}@0",
      "{exported_quantile=x,quantile=1}@1",
      "_sum{exported_quantile=x}@2",
      "_count{exported_quantile=x}@3",
    ],
    renamed: 1,
  });
});

test("a series that is there already is left out with its columns", () => {
  check("gauge", [{ a: "1", b: "2" }, { b: "2", a: "1", c: "" }, { a: "3" }], {
    want: ["{a=1,b=2}@0", "{a=3}@2"],
    duplicates: 1,
  });
});

test("series have one text whatever the order of their labels", () => {
  assert.equal(
    seriesText([
      ["b", 'x"'],
      ["a", "1"],
      ["c", ""],
    ]),
    'a="1",b="x\\""',
  );
});
