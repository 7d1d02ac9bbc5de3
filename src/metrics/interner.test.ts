// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type FamilySpec, Interner } from "./interner.ts";
import type { Attribute } from "./model.ts";

function spec(change: Partial<FamilySpec> = {}): FamilySpec {
  const point = { attributes: [{ key: "item", value: "a" }], bounds: [], boundTexts: [] };
  return { name: "m", kind: "gauge", unit: "", help: "", points: [point], ...change };
}

function labelled(...attributes: Attribute[]): FamilySpec {
  return spec({ points: [{ attributes, bounds: [], boundTexts: [] }] });
}

test("equal contents are one object, and different ones are not", () => {
  const interner = new Interner();
  const family = interner.family(spec());
  assert.equal(interner.family(spec()), family);
  for (const change of [
    { name: "n" },
    { kind: "sum" as const },
    { unit: "By" },
    { help: "h" },
    { points: [] },
  ]) {
    assert.notEqual(interner.family(spec(change)), family, JSON.stringify(change));
  }
});

test("no text can make two families look alike", () => {
  const interner = new Interner();
  const one = interner.family(labelled({ key: "a", value: "b" }, { key: "c", value: "d" }));
  const other = interner.family(labelled({ key: "a", value: "b1:c1:d" }));
  assert.notEqual(one, other);
});

test("a histogram is as wide as its buckets with +Inf, its sum and its count", () => {
  const interner = new Interner();
  const points = [{ attributes: [], bounds: [1, 2], boundTexts: ["1", "2"] }];
  assert.equal(interner.family(spec({ kind: "histogram", points })).width, 5);
  assert.equal(interner.family(spec({ kind: "summary", points })).width, 4);
});

test("a schema lays its families side by side", () => {
  const interner = new Interner();
  const a = interner.family(spec({ name: "a" }));
  const b = interner.family(spec({ name: "b" }));
  const schema = interner.schema([b, a]);
  assert.deepEqual(schema.offsets, [0, 1]);
  assert.equal(schema.width, 2);
  assert.equal(interner.schema([b, a]), schema);
  assert.notEqual(interner.schema([a, b]), schema);
});

test("objects that nothing holds are forgotten", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const interner = new Interner();
  const kept = interner.family(spec({ name: "kept" }));
  for (let i = 0; i < 1_000; i++) interner.family(spec({ name: `gone_${i}` }));
  // Weak references keep their objects to the end of this job; finalizers run in a later one.
  for (let turn = 0; turn < 20 && interner.familyCount > 1; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
  }
  assert.equal(interner.familyCount, 1);
  assert.equal(interner.family(spec({ name: "kept" })), kept);
});
