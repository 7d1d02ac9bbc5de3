// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { circles } from "./circles.ts";
import { DOCUMENTS } from "./markdown_links.ts";
import { readReadme } from "./option_docs.ts";
import { withCodeMap } from "./places.ts";
import { code, files, sources } from "./sources.ts";

// A check that finds nothing to check would pass for ever.

test("the circles of a graph are found, and nothing else is", () => {
  const check = (edges: Readonly<Record<string, readonly string[]>>, want: readonly string[][]): void =>
    assert.deepEqual(circles(new Map(Object.entries(edges).map(([from, to]) => [from, new Set(to)]))), want);
  check({}, []);
  check({ a: ["b", "c"], b: ["c"], c: [] }, []);
  check({ a: ["b"], b: ["a"] }, [["a", "b"]]);
  check({ a: ["b"], b: ["c"], c: ["b", "d"], d: ["e"], e: ["d"] }, [
    ["d", "e"],
    ["b", "c"],
  ]);
});

test("the sources, their imports and their packages are found", () => {
  assert.ok(files.length > sources.length && sources.length > code.length && code.length > 300);
  const { imports, packages } = code.find(({ path }) => path === "src/agent.ts") ?? assert.fail();
  assert.ok(imports.some(({ path, typeOnly }) => path === "src/config/agent_config.ts" && typeOnly));
  assert.ok(imports.some(({ path, typeOnly }) => path === "src/pipeline/graph.ts" && !typeOnly));
  assert.ok(packages.includes("@opentelemetry/api") && !packages.includes("pino"));
  const { imports: lazy } = code.find(({ path }) => path === "src/registry.ts") ?? assert.fail();
  assert.ok(lazy.filter(({ isLazy }) => isLazy).length >= 19);
});

test("options are found in tables, with prefixes and braces", () => {
  const named = (path: string): string[] => readReadme(path).options.map((keys) => keys.join("::"));
  assert.ok(named("src/delivery/README.md").includes("sending_queue::batch"));
  assert.ok(named("README.md").includes("tls::cert_file") && named("README.md").includes("tls::key_file"));
  const all = DOCUMENTS.filter((path) => path.endsWith("README.md")).flatMap(named);
  assert.ok(all.length > 150, String(all.length));
});

test("a text without the marks of the code map is refused", () => {
  assert.throws(() => withCodeMap("# How it works\n"), /lacks the lines/);
});
