// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { Interner } from "./interner.ts";
import type { Kind, Reading } from "./model.ts";
import { soundPart } from "./sound.ts";

const interner = new Interner();
const BOUNDS: Readonly<Record<Kind, readonly number[]>> = {
  gauge: [],
  unknown: [],
  sum: [],
  histogram: [1, 2],
  summary: [0.5],
};

interface Row {
  readonly name?: string;
  readonly kind: Kind;
  /** The numbers of each point. */
  readonly numbers: readonly (readonly number[])[];
}

function reading(rows: readonly Row[]): Reading {
  const families = rows.map(({ name = "m", kind, numbers }) => {
    const bounds = BOUNDS[kind];
    const points = numbers.map((_, index) => ({
      attributes: [{ key: "item", value: String(index) }],
      bounds,
      boundTexts: bounds.map(String),
    }));
    return interner.family({ name, kind, unit: "", help: "", points });
  });
  const schema = interner.schema(families);
  const values = Float64Array.from(rows.flatMap(({ numbers }) => numbers.flat()));
  assert.equal(values.length, schema.width);
  return { resource: { key: "s1", attributes: [] }, schema, values, timeMs: 1, startMs: 0 };
}

/** The points, each as `family item: numbers`. */
function pointsOf({ schema, values }: Reading): string[] {
  const points: string[] = [];
  for (const [index, family] of schema.families.entries()) {
    let column = schema.offsets[index] ?? 0;
    const width = family.width / family.points.length;
    for (const { attributes } of family.points) {
      points.push(
        `${family.name} ${attributes[0]?.value}: ${values.subarray(column, column + width).join(" ")}`,
      );
      column += width;
    }
    assert.equal(column, (schema.offsets[index] ?? 0) + family.width);
  }
  assert.equal(values.length, schema.width);
  return points;
}

function partOf(rows: readonly Row[]): { points: string[]; unsound: string[] } {
  const unsound: string[] = [];
  const part = soundPart(reading(rows), (families) => unsound.push(...families.map(({ name }) => name)));
  return { points: pointsOf(part), unsound };
}

function isSound(kind: Kind, numbers: readonly number[]): boolean {
  return partOf([{ kind, numbers: [numbers] }]).points.length === 1;
}

const { NaN: NONE, POSITIVE_INFINITY: ENDLESS, NEGATIVE_INFINITY, MAX_SAFE_INTEGER } = Number;

test("a sum is a finite number from 0 up", () => {
  for (const value of [0, -0, 0.5, 1, Number.MAX_VALUE]) assert.ok(isSound("sum", [value]), `${value}`);
  for (const value of [-1, -5e-324, NONE, ENDLESS, NEGATIVE_INFINITY])
    assert.ok(!isSound("sum", [value]), `${value}`);
});

test("a histogram's buckets are whole numbers that do not fall, and its count is the last one", () => {
  const check = (numbers: readonly number[], want: boolean): void =>
    assert.equal(isSound("histogram", numbers), want, numbers.join(" "));
  check([0, 0, 0, 0, 0], true);
  check([4, 10, 11, 15.25, 11], true);
  check([1, 2, MAX_SAFE_INTEGER, 1, MAX_SAFE_INTEGER], true);
  check([1, 2, 3, -7, 3], true);
  check([1, 2, 3, NONE, 3], true);
  check([5, 3, 6, 1, 6], false);
  check([5, 8, 6, 1, 7], false);
  check([1, 2, 2, 1, 9], false);
  check([-1, 2, 3, 1, 3], false);
  check([0.5, 2, 3, 1, 3], false);
  check([1, 2, 2.5, 1, 2.5], false);
  check([NONE, 2, 3, 1, 3], false);
  check([1, 2, NONE, 1, NONE], false);
  check([1, 2, 3, 1, NONE], false);
  check([1, ENDLESS, ENDLESS, 1, ENDLESS], false);
  check([1, 2, 2 ** 53, 1, 2 ** 53], false);
});

test("a summary counts whole numbers; its quantiles and its sum are any", () => {
  for (const count of [0, 3, MAX_SAFE_INTEGER]) assert.ok(isSound("summary", [NONE, -5, count]), `${count}`);
  for (const count of [-1, 0.5, NONE, ENDLESS, 2 ** 53])
    assert.ok(!isSound("summary", [1, 1, count]), `${count}`);
});

test("gauges and unknown points may be any number", () => {
  for (const kind of ["gauge", "unknown"] as const)
    for (const value of [NONE, -1, ENDLESS]) assert.ok(isSound(kind, [value]));
});

test("if all points are sound, the part is the reading itself, and nothing is reported", () => {
  const whole = reading([{ kind: "sum", numbers: [[1]] }]);
  assert.equal(
    soundPart(whole, () => assert.fail()),
    whole,
  );
});

test("only unsound points are left out, and families of which no point is left", () => {
  const rows: Row[] = [
    { name: "a", kind: "gauge", numbers: [[-1], [NONE]] },
    { name: "b", kind: "sum", numbers: [[1], [-2], [3]] },
    { name: "c", kind: "sum", numbers: [[NONE], [-1]] },
    {
      name: "d",
      kind: "histogram",
      numbers: [
        [2, 1, 3, 0, 3],
        [1, 2, 3, 0.5, 3],
      ],
    },
    { name: "e", kind: "summary", numbers: [[7, 8, 9]] },
  ];
  assert.deepEqual(partOf(rows), {
    points: ["a 0: -1", "a 1: NaN", "b 0: 1", "b 2: 3", "d 1: 1 2 3 0.5 3", "e 0: 7 8 9"],
    unsound: ["b", "c", "c", "d"],
  });
});

test("if the same points fail again, the schema is the same object, also if others failed in between", () => {
  const of = (...numbers: number[]) =>
    soundPart(reading([{ kind: "sum", numbers: numbers.map((value) => [value]) }]), () => {}).schema;
  const first = of(1, -1, 2);
  assert.notEqual(of(-1, 1, 2), first);
  assert.equal(of(5, NONE, 7), first);
});
