// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { Interner } from "../metrics/interner.ts";
import type { Kind, Schema } from "../metrics/model.ts";
import { goneBetween, sameAttributes } from "./gone.ts";

const interner = new Interner();

/** The points by the family's name; a point is written as its label's value. */
function schema(families: Readonly<Record<string, string>>, kind: Kind = "gauge"): Schema {
  return interner.schema(
    Object.entries(families).map(([name, points]) =>
      interner.family({
        name,
        kind,
        unit: "",
        help: "",
        points: points.split(" ").map((value) => ({
          attributes: [{ key: "item", value }],
          bounds: [],
          boundTexts: [],
        })),
      }),
    ),
  );
}

function check(before: Schema, after: Schema, want: Readonly<Record<string, string>>): void {
  const gone = goneBetween(before, after);
  const got = gone.families.map(({ name, points }) => [
    name,
    points.map((p) => p.attributes[0]?.value).join(" "),
  ]);
  assert.deepEqual(Object.fromEntries(got), want);
  assert.equal(gone.width, gone.families.flatMap(({ points }) => points).length, "a gauge takes one column");
  assert.equal(goneBetween(before, after), gone, "the same question has the same answer");
}

test("series that are not reported any more are gone", () => {
  const full = schema({ up: "a", disk: "sda sdb", net: "eth0" });
  check(full, full, {});
  check(full, schema({ up: "a" }), { disk: "sda sdb", net: "eth0" });
  check(full, schema({ net: "eth0", disk: "sda sdb", up: "a" }), {});
  check(full, schema({ up: "a", disk: "sda sdc", net: "eth0 eth1" }), { disk: "sdb" });
  check(schema({ up: "a" }), full, {});
});

test("a family that changes its kind ends with its old kind", () => {
  check(schema({ x: "1" }), schema({ x: "1" }, "sum"), { x: "1" });
});

test("attributes are the same if keys and values are equal", () => {
  const one = [{ key: "a", value: "1" }];
  assert.ok(sameAttributes(one, [{ key: "a", value: "1" }]));
  assert.ok(!sameAttributes(one, [{ key: "a", value: "2" }]));
  assert.ok(!sameAttributes(one, []));
  assert.ok(!sameAttributes([], one));
});
