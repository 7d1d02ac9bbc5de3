// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isReservedLabel } from "../prometheus/series/reserved_labels.ts";
import { createPage } from "../simulator/pages.ts";
import { KNOWN_FAMILIES } from "./known_families.ts";

const RECORDED = join(import.meta.dirname, "../../../shared/pages");
const KINDS: Readonly<Record<string, string>> = {
  counter: "sum",
  gauge: "gauge",
  histogram: "histogram",
  summary: "summary",
};

/** Every family of an honest page is known, with its kind and its labels. */
function check(page: string): void {
  const types = [...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  assert.ok(types.length > 0);
  for (const [, name = "", type = ""] of types)
    assert.equal(KNOWN_FAMILIES.get(name)?.kind, KINDS[type], name);
  for (const [, sample = "", labels = ""] of page.matchAll(/^([a-z]\w*)\{(.*)\} /gm)) {
    const known =
      KNOWN_FAMILIES.get(sample) ?? KNOWN_FAMILIES.get(sample.replace(/_(bucket|sum|count)$/, ""));
    const names = [...labels.matchAll(/(\w+)="/g)].map(([, name = ""]) => name);
    const foreign = names.filter((name) => !/^(le|quantile)$/.test(name) && !known?.labels.includes(name));
    assert.deepEqual(foreign, [], `${sample}{${labels}}`);
  }
}

test("the families of simulated pages are known", () => {
  check(createPage({ flavor: "go", seed: 1 }).render().toString("latin1"));
  check(createPage({ flavor: "rs", seed: 1 }).render().toString("latin1"));
});

test("the families of recorded pages are known", (context) => {
  if (!existsSync(RECORDED)) return context.skip("there are no recorded pages here");
  for (const file of readdirSync(RECORDED).filter((one) => one.endsWith(".prom")))
    check(readFileSync(join(RECORDED, file), "latin1"));
});

test("no family of Kata's has a label that is the backend's, and each has a HELP of its own", () => {
  assert.ok(KNOWN_FAMILIES.size > 90);
  for (const [name, { labels, help }] of KNOWN_FAMILIES) {
    assert.deepEqual(labels.filter(isReservedLabel), [], name);
    assert.match(help, /^[A-Z].*\.$/, name);
  }
});
