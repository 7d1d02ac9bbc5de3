// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Budget, CLIENTS_MAX, Rates } from "./rates.ts";

/** How many of `count` requests a client is granted in the second. */
function granted(
  rates: Rates,
  count: number,
  { second = 1, client = "10.0.0.1", budget = "page" as Budget, isFirst = true } = {},
): number {
  let served = 0;
  for (let i = 0; i < count; i++) if (rates.take(second, client, { budget, isFirst })) served++;
  return served;
}

test("each budget of each client has its own limit, in each second", () => {
  const rates = new Rates(10);
  assert.equal(granted(rates, 100, { budget: "refused" }), 10);
  assert.equal(granted(rates, 100), 10);
  assert.equal(granted(rates, 100, { client: "10.0.0.2" }), 10);
  assert.equal(granted(rates, 100, { second: 2 }), 10);
});

test("connections that ask again leave half of a budget to those that ask for the first time", () => {
  const rates = new Rates(10);
  assert.equal(granted(rates, 100, { isFirst: false }), 5);
  assert.equal(granted(rates, 100), 5);
  assert.equal(granted(new Rates(1), 3, { isFirst: false }), 1, "a limit of one still serves one");
});

test("a flood of addresses uses no more memory, and takes nothing from clients that came before it", () => {
  const rates = new Rates(10);
  assert.equal(granted(rates, 1), 1);
  for (let i = 0; i < 3 * CLIENTS_MAX; i++) granted(rates, 1, { client: `client ${i}` });
  assert.equal(rates.clientCount, CLIENTS_MAX + 1);
  assert.equal(granted(rates, 100), 9);
  assert.equal(granted(rates, 100, { client: "late" }), 0);
  assert.equal(granted(rates, 100, { client: "late", second: 2 }), 10);
});
