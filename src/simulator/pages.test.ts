import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatGo, formatRust } from "./family_block.ts";
import { createPage } from "./pages.ts";

function blocks(page: Buffer): string[] {
  return page.toString().split(/(?=^# HELP )/m);
}

function samples(page: Buffer): Map<string, number> {
  const lines = page
    .toString()
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(" ")),
      Number(line.slice(line.lastIndexOf(" ") + 1)),
    ]),
  );
}

test("a Go page of the default size has 1,261 samples in 75 families, 84 KB", () => {
  const page = createPage({ flavor: "go", seed: 1 });
  const text = page.render();
  assert.equal(page.samples, 1_261);
  assert.equal(samples(text).size, 1_261, "no series twice");
  assert.equal(blocks(text).length, 75);
  assert.ok(text.length > 80_000 && text.length < 92_000, `${text.length} bytes`);
});

test("a runtime-rs page has the guest's part first", () => {
  const names = blocks(createPage({ flavor: "rs", seed: 1 }).render()).map(
    (block) => block.split(" ")[2] ?? "",
  );
  const firstShim = names.findIndex((name) => /^kata_(shim|hypervisor)/.test(name));
  assert.ok(firstShim > 0);
  assert.ok(names.slice(0, firstShim).every((name) => /^kata_(agent|guest)/.test(name)));
});

test("a Go page has its own families sorted, then the agent's in another order on every scrape", () => {
  const page = createPage({ flavor: "go", seed: 1 });
  const order = () => blocks(page.render()).map((block) => block.split(" ")[2] ?? "");
  const [first, second] = [order(), order()];
  const own = (names: string[]) => names.slice(0, 58);
  assert.deepEqual(own(first), own(first).toSorted());
  assert.deepEqual(own(first), own(second));
  assert.notDeepEqual(first.slice(58), second.slice(58));
  assert.deepEqual(first.toSorted(), second.toSorted());
});

test("counters only grow, and in time every number that can move does", () => {
  const page = createPage({ flavor: "go", seed: 1 });
  const first = samples(page.render());
  let last = first;
  for (let scrape = 0; scrape < 10; scrape++) {
    const next = samples(page.render());
    for (const [series, value] of next) assert.ok(value >= (last.get(series) ?? Number.NaN), series);
    last = next;
  }
  const moved = [...first].filter(([series, value]) => last.get(series) !== value).length;
  assert.ok(moved > 600, `${moved} numbers moved`);
});

test("the same seed makes the same page", () => {
  const render = (seed: number) => createPage({ flavor: "go", seed }).render();
  assert.deepEqual(render(7), render(7));
  assert.notDeepEqual(render(7), render(8));
});

test("Go writes large and small numbers with an exponent", () => {
  const check = (value: number, text: string): void => assert.equal(formatGo(value), text);
  check(0, "0");
  check(999_999, "999999");
  check(1_000_000, "1e+06");
  check(1_249_280, "1.24928e+06");
  check(0.0001, "0.0001");
  check(0.00003, "3e-05");
  check(-2_500_000, "-2.5e+06");
  check(1e100, "1e+100");
  check(Infinity, "+Inf");
  check(Number.NaN, "NaN");
});

test("both spellings mean the number", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      assert.equal(Number(formatGo(value)), value);
      assert.equal(Number(formatRust(value)), value);
    }),
  );
});
