// SPDX-License-Identifier: Apache-2.0
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested here
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  accepted,
  BASE,
  type Given,
  kataOptions,
  loadFake,
  refused,
  SERVICE,
  withOptions,
} from "./fake_catalog.ts";

/** The config of the receiver after the given sources. */
async function kata(given: Given): Promise<Readonly<Record<string, unknown>>> {
  const { receivers } = await accepted(given);
  return receivers.get("kata")?.config as Readonly<Record<string, unknown>>; // what the fake's schema gives
}

test("null means the defaults, for a component and for a key in it", async () => {
  const config = await kata({ files: { f: BASE } });
  assert.equal(config["interval"], 15_000);
  assert.deepEqual(await kataOptions("interval: , tls: , list: , roots: "), config);
});

test("several configs merge from left to right: maps deeply, lists and scalars replaced", async () => {
  const config = await kata({
    files: {
      a: withOptions("name: a, count: 9, list: [x, y], tls: {insecure: true}"),
      b: "receivers: {kata: {name: b, list: [z], tls: {ca_file: c}}}",
      empty: "# nothing\n",
    },
  });
  assert.equal(config["name"], "b");
  assert.equal(config["count"], 9);
  assert.deepEqual(config["list"], ["z"]);
  assert.deepEqual(config["tls"], { insecure: true, ca_file: "c" });
});

test("a null in a later config removes the value of an earlier one", async () => {
  const config = await kata({ files: { a: withOptions("name: a, count: 9"), b: "receivers: {kata: }" } });
  assert.deepEqual([config["name"], config["count"]], [undefined, 3]);
});

test("--set comes after every --config, with dots for nesting and YAML for values", async () => {
  const sets = [
    "receivers.kata.count=7",
    "receivers.kata.list=[a, 'b,c']",
    "receivers.kata.listen=127.0.0.1:80",
    "receivers::kata::free=a=b",
  ];
  await refused(
    { files: { f: BASE }, sets: ["receivers.kata.count=x"] },
    '--set receivers.kata.count:1:1: receivers::kata::count: must be a number, got "x"',
  );
  const config = await kata({ files: { f: BASE }, sets: sets.slice(0, 3) });
  assert.equal(config["count"], 7);
  assert.deepEqual(config["list"], ["a", "b,c"]);
  assert.deepEqual(config["listen"], { host: "127.0.0.1", port: 80 });
  assert.deepEqual((await kata({ files: { f: BASE }, sets: ["receivers::kata::free::a.b=1"] }))["free"], {
    "a.b": 1,
  });
});

test("configs come from files, the environment and the command line", async () => {
  const env = { CONFIG: BASE };
  const uris = [
    "env:CONFIG",
    "yaml:receivers::kata::count: 8",
    "file:over.yaml",
    "yaml:{receivers: {kata: {mode: normal}}}",
  ];
  const config = await kata({ uris, env, files: { "over.yaml": "receivers: {kata: {name: n}}" } });
  assert.deepEqual([config["count"], config["name"], config["mode"]], [8, "n", "normal"]);
});

test("a source that cannot be read is named with the reason", async () => {
  await refused({ uris: [] }, "at least one config flag must be provided: --config <file>");
  await refused({ uris: ["none.yaml"] }, 'cannot read config "none.yaml": no such file');
  await refused(
    { uris: ["https://host/config"] },
    'cannot read config "https://host/config": scheme "https" is not supported; there are file, env and yaml',
  );
  await refused(
    { uris: ["env:constructor"] },
    'cannot read config "env:constructor": the environment variable is not set',
  );
  await refused(
    { files: { f: BASE }, sets: ["a.b", "=c"] },
    'invalid value "a.b" for flag --set: missing equal sign; write --set a.b=value',
    'invalid value "=c" for flag --set: missing equal sign; write --set a.b=value',
  );
});

test("every source that cannot be read is reported, not only the first", async () => {
  await refused(
    { uris: ["none.yaml", "a", "b", "c"], files: { a: "x: [\n", b: "- a\n", c: "a: 1\na: 2\n" } },
    'cannot read config "none.yaml": no such file',
    'a:1:4: this list has no "]" that is indented deeper than its key',
    'c:2:1: key "a" stands twice in one map, first in line 1',
    "b:1:1: a config must be a map at its top, got a list",
  );
});

test("an empty config gets a fault that says so", async () => {
  await refused("", "f:1:1: empty configuration file");
  await refused("# nothing\n", "f:1:1: empty configuration file");
});

test("a config without its parts gets faults for what is missing", async () => {
  await refused(
    "service:\n",
    "f:1:1: no receiver configuration specified in config",
    "f:1:1: no exporter configuration specified in config",
    "f:1:9: service::pipelines: service must have at least one pipeline",
  );
});

test("only the components that are configured are imported", async () => {
  const loaded: string[] = [];
  const { loadConfig } = await import("./load.ts");
  const { fakeCatalog } = await import("./fake_catalog.ts");
  const watched = Object.fromEntries(
    Object.entries(fakeCatalog.exporters).map(([type, entry]) => [
      type,
      {
        ...entry,
        load: () => {
          loaded.push(type);
          return entry.load();
        },
      },
    ]),
  );
  const source = {
    uris: [`yaml:${BASE}`],
    sets: [],
    env: {},
    readFile: () => Promise.reject(new Error("no file")),
  };
  await loadConfig(source, { ...fakeCatalog, exporters: watched });
  assert.deepEqual(loaded, ["out"]);
});

test("the tree of a config with faults can be printed", async () => {
  const loaded = await loadFake(withOptions("count: 0"));
  assert.ok(!loaded.ok && loaded.tree !== undefined);
  assert.ok(!("tree" in (await loadFake("a: ["))));
});

test("no text makes loading reject, and every fault has its place within its text", async () => {
  const seed = `${withOptions("count: 3, token: '${T}', list: &l [a, b], roots: *l, tls: {insecure: true}")}# end\n`;
  const pieces = [
    "{",
    "}",
    "[",
    "]",
    ":",
    "\n",
    "  ",
    "\t",
    "*l",
    "&l ",
    "${",
    "$$",
    "!x",
    "|",
    "---\n",
    "'",
    '"',
    "~",
    "<<",
    "0",
  ];
  const edit = fc.record({ at: fc.nat(seed.length), cut: fc.nat(6), add: fc.constantFrom("", ...pieces) });
  const edits = fc.array(edit, { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(edits, async (list) => {
      let text = seed;
      for (const { at, cut, add } of list) text = text.slice(0, at) + add + text.slice(at + cut);
      const loaded = await loadFake(text);
      if (loaded.ok) return;
      assert.ok(loaded.faults.length > 0);
      const lines = text.split("\n");
      for (const { origin } of loaded.faults) {
        assert.ok(origin !== undefined && origin.line <= lines.length, text);
        assert.ok(origin.column <= (lines[origin.line - 1] ?? "").length + 1, text);
      }
    }),
    { numRuns: 500, seed: 20_261_123 },
  );
});

test("components have their id, their type and the result of the schema", async () => {
  const text = `receivers: {' kata/b ': {count: 5}}\nexporters: {otlp/gw: }\nservice: {pipelines: {' metrics/x ': {receivers: ['kata/b '], exporters: 'otlp/gw'}}}`;
  const { receivers, exporters, service } = await accepted(text);
  assert.deepEqual([...receivers.keys()], ["kata/b"]);
  assert.equal(receivers.get("kata/b")?.type, "kata");
  assert.equal(exporters.get("otlp/gw")?.type, "otlp_grpc");
  assert.deepEqual(
    [...service.pipelines],
    [["metrics/x", { receivers: ["kata/b"], processors: [], exporters: ["otlp/gw"] }]],
  );
  assert.equal(
    (await accepted(`receivers: {kata: }\nexporters: {out: }\n${SERVICE}`)).service.shutdownTimeoutMs,
    30_000,
  );
});
