import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import type { Catalog, CatalogEntry } from "./catalog.ts";
import { renderFaults } from "./fault.ts";
import { type AgentConfig, type ConfigSource, loadConfig } from "./load.ts";
import { duration, listenAddress, secret, size } from "./values.ts";

const inner = z.strictObject({
  interval: duration({ minMs: 1_000 }).prefault("15s"),
  name: z.string().optional(),
  count: z.int().min(1).default(3),
  token: secret().optional(),
  mode: z.enum(["basic", "normal", "detailed"]).default("basic"),
  listen: listenAddress().optional(),
  body: size().prefault("1KiB"),
  list: z.array(z.string()).default([]),
  tls: z.strictObject({ insecure: z.boolean().default(false) }).prefault({}),
});

const component = {
  stability: "stable" as const,
  schema: inner,
  create(): never {
    throw new Error("BUG: a config is only checked here");
  },
};

function entry<F>(factory: F, aliases: readonly string[] = []): CatalogEntry<F> {
  return { stability: "stable", aliases, load: () => Promise.resolve(factory) };
}

const catalog: Catalog = {
  receivers: { kata: entry(component) },
  processors: { meta: entry(component), filter: entry(component) },
  exporters: { out: entry(component), otlp_grpc: entry(component, ["otlp"]) },
  extensions: { health: entry(component) },
};

const SERVICE = "service: {pipelines: {metrics: {receivers: [kata], exporters: [out]}}}\n";
const BASE = `receivers: {kata: }\nexporters: {out: }\n${SERVICE}`;

interface Given {
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly uris?: readonly string[];
  readonly sets?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

function sourceOf({ files = {}, uris = Object.keys(files), sets = [], env = {} }: Given): ConfigSource {
  return {
    uris,
    sets,
    env,
    readFile(path) {
      const content = files[path];
      if (content === undefined) return Promise.reject(new Error("ENOENT: no such file"));
      return Promise.resolve(typeof content === "string" ? Buffer.from(content) : content);
    },
  };
}

async function load(given: Given): Promise<AgentConfig> {
  const loaded = await loadConfig(sourceOf(given), catalog);
  assert.ok(loaded.ok, loaded.ok ? "" : renderFaults(loaded.faults));
  return loaded.config;
}

/** The config of the receiver after the given sources. */
async function kata(given: Given): Promise<Record<string, unknown>> {
  const { receivers } = await load(given);
  return receivers.get("kata")?.config as Record<string, unknown>;
}

/** Checks the fault lines (without source line and caret) that the sources give. */
async function faults(given: Given, ...want: readonly string[]): Promise<void> {
  const loaded = await loadConfig(sourceOf(given), catalog);
  assert.ok(!loaded.ok, "the config was accepted");
  const got = renderFaults(loaded.faults)
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("    "));
  assert.deepEqual(got, want);
}

test("null means the defaults, for a component and for a key in it", async () => {
  const config = await kata({ files: { f: BASE } });
  assert.equal(config["interval"], 15_000);
  const text = `receivers: {kata: {interval: , tls: }}\nexporters: {out: }\n${SERVICE}`;
  assert.deepEqual(await kata({ files: { f: text } }), config);
});

test("several configs merge from left to right: maps deeply, lists and scalars replaced", async () => {
  const over = "receivers: {kata: {name: b, list: [z]}}";
  const under = `receivers: {kata: {name: a, count: 9, list: [x, y]}}\nexporters: {out: }\n${SERVICE}`;
  const config = await kata({ files: { a: under, b: over } });
  assert.equal(config["name"], "b");
  assert.equal(config["count"], 9);
  assert.deepEqual(config["list"], ["z"]);
});

test("--set comes after every --config, with dots for nesting and YAML for values", async () => {
  const sets = [
    "receivers.kata.count=7",
    "receivers.kata.list=[a, 'b,c']",
    "receivers.kata.listen=127.0.0.1:80",
  ];
  const config = await kata({ files: { f: BASE }, sets });
  assert.equal(config["count"], 7);
  assert.deepEqual(config["list"], ["a", "b,c"]);
  assert.deepEqual(config["listen"], { host: "127.0.0.1", port: 80 });
});

test("configs come from files, the environment and the command line", async () => {
  const env = { CONFIG: BASE };
  const uris = ["env:CONFIG", "yaml:receivers::kata::count: 8", "file:over.yaml"];
  const config = await kata({ uris, env, files: { "over.yaml": "receivers: {kata: {name: n}}" } });
  assert.equal(config["count"], 8);
  assert.equal(config["name"], "n");
});

async function expands(
  value: string,
  want: unknown,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const text = `receivers:\n  kata:\n    name: ${value}\nexporters: {out: }\n${SERVICE}`;
  const config = await kata({ uris: ["f"], files: { f: text, "/secret": "s3cret\n" }, env });
  assert.equal(config["name"], want, value);
}

test("references expand as in the Collector", async () => {
  const env = { A: "x", B: "A", EMPTY: "", N: "0123", URL: "http://$${A}" };
  await expands("${env:A}", "x", env);
  await expands("${A}", "x", env);
  await expands('"${env:A}-${env:A}"', "x-x", env);
  await expands("${env:NONE:-fall}", "fall", env);
  await expands("${NONE:-fall}", "fall", env);
  await expands('"${env:EMPTY:-fall}y"', "y", env);
  await expands("${env:${env:B}}", "x", env);
  await expands("$$A", "$A", env);
  await expands("$${env:A}", "${env:A}", env);
  await expands("$A", "$A", env);
  await expands("${env:N}", "0123", env);
  await expands("${file:/secret}", "s3cret", env);
});

test("a value that is one reference takes the type that it has as YAML", async () => {
  const text = `receivers: {kata: {count: "\${env:N}", list: "\${env:L}"}}\nexporters: {out: }\n${SERVICE}`;
  const config = await kata({ files: { f: text }, env: { N: "12", L: "[a, b]" } });
  assert.equal(config["count"], 12);
  assert.deepEqual(config["list"], ["a", "b"]);
});

test("an unset variable is null with a warning", async () => {
  const text = `receivers: {kata: {name: "\${env:NONE}"}}\nexporters: {out: }\n${SERVICE}`;
  const loaded = await loadConfig(sourceOf({ files: { f: text } }), catalog);
  assert.ok(loaded.ok);
  assert.match(loaded.warnings[0]?.message ?? "", /"NONE" is not set/);
});

test("all faults are reported at once, each with its place", async () => {
  const text = [
    "receivers:",
    "  kata:",
    "    intervall: 15s",
    "    interval: 0s",
    "    count: 0",
    '    mode: "detaild"',
    "    list: 3",
    "exporters:",
    "  out:",
    "    tls: {insecure: maybe}",
    "service:",
    "  pipelines:",
    "    metrics: {receivers: [kat], exporters: [out]}",
  ].join("\n");
  await faults(
    { files: { "a.yaml": text } },
    'a.yaml:3:5: receivers::kata: unknown key "intervall"; did you mean "interval"?',
    'a.yaml:4:15: receivers::kata::interval: must be at least 1s, got "0s"',
    "a.yaml:5:12: receivers::kata::count: must be at least 1, got 0",
    'a.yaml:6:11: receivers::kata::mode: must be one of "basic", "normal", "detailed", got "detaild"; did you mean "detailed"?',
    "a.yaml:7:11: receivers::kata::list: must be a list, got 3",
    'a.yaml:10:21: exporters::out::tls::insecure: must be true or false, got "maybe"',
    'a.yaml:13:27: service::pipelines::metrics::receivers::0: references receiver "kat" which is not configured; did you mean "kata"?',
  );
});

test("the caret stands under the fault", async () => {
  const loaded = await loadConfig(
    sourceOf({ files: { f: `receivers:\n  kata:\n    count: x\nexporters: {out: }\n${SERVICE}` } }),
    catalog,
  );
  assert.ok(!loaded.ok);
  const [head, source, caret] = renderFaults(loaded.faults).split("\n");
  assert.match(head ?? "", /^f:3:12: /);
  assert.equal(source, "        count: x");
  assert.equal(caret, `    ${" ".repeat(11)}^`);
});

test("ids are type or type/name", async () => {
  const ids = "receivers: {kata/: , 'kata/a b': , nope: , kata/ok: }\nexporters: {out: }\n";
  await faults(
    { files: { f: `${ids}service: {pipelines: {metrics: {receivers: [kata/ok], exporters: [out]}}}` } },
    'f:1:13: receivers::kata/: in "kata/" id: the part after / should not be empty',
    'f:1:22: receivers::kata/a b: in "kata/a b" id: the name may have no spaces, control characters or symbols',
    'f:1:36: receivers::nope: unknown type: "nope" for id: "nope" (valid values: [kata])',
  );
});

test("an older name of a component works, with a warning", async () => {
  const text = `receivers: {kata: }\nexporters: {otlp/gw: }\nservice: {pipelines: {metrics: {receivers: [kata], exporters: [otlp/gw]}}}`;
  const loaded = await loadConfig(sourceOf({ files: { f: text } }), catalog);
  assert.ok(loaded.ok);
  assert.equal(loaded.config.exporters.get("otlp/gw")?.type, "otlp_grpc");
  assert.match(loaded.warnings[0]?.message ?? "", /older name of "otlp_grpc"/);
});

test("pipelines are checked as in the Collector", async () => {
  const pipelines = [
    "    metrics: {receivers: [kata], processors: [meta, meta], exporters: []}",
    "    metrics/b: {receivers: [], exporters: [out]}",
    "    traces: {receivers: [kata], exporters: [out]}",
  ];
  const text = `receivers: {kata: }\nprocessors: {meta: }\nexporters: {out: }\nservice:\n  pipelines:\n${pipelines.join("\n")}`;
  await faults(
    { files: { f: text } },
    "f:6:5: service::pipelines::metrics: must have at least one exporter",
    'f:6:53: service::pipelines::metrics::processors::1: references processor "meta" multiple times',
    "f:7:5: service::pipelines::metrics/b: must have at least one receiver",
    'f:8:5: service::pipelines::traces: unknown signal "traces"; this agent has metrics only: "metrics" or "metrics/name"',
  );
});

test("a config without its parts is told what is missing", async () => {
  const loaded = await loadConfig(sourceOf({ files: { f: "service:\n" } }), catalog);
  assert.ok(!loaded.ok);
  const messages = loaded.faults.map(({ message }) => message).sort();
  assert.deepEqual(messages, [
    "no exporter configuration specified in config",
    "no receiver configuration specified in config",
    "service must have at least one pipeline",
  ]);
  await faults({ files: { f: "" } }, "empty configuration file");
  await faults({ uris: [] }, "at least one config flag must be provided: --config <file>");
});

test("what is no good as YAML has a text of its own", async () => {
  await faults({ files: { f: "a: 1\na: 2\n" } }, "f:2:1: this key stands twice in one map");
  await faults({ files: { f: "a:\n\tb: 1\n" } }, "f:2:1: a tab cannot indent YAML; use spaces");
  await faults(
    { files: { f: "a: 1\n---\nb: 2\n" } },
    'f:2:1: the file holds several documents; a config is one, so remove the "---" between them',
  );
  await faults(
    { files: { f: "a: &x {b: 1}\nc:\n  <<: *x\n" } },
    'f:3:3: merge keys ("<<") are not supported; write the keys out, or give several --config',
  );
  await faults({ files: { f: "- a\n" } }, "f:1:1: a config must be a map at its top");
  await faults(
    { files: { f: Uint8Array.of(0x61, 0x3a, 0xff) } },
    "f:1:1: cannot read the config: it is not UTF-8",
  );
  await faults(
    { files: { f: " ".repeat(1024 * 1024 + 1) } },
    "f:1:1: cannot read the config: 1048577 bytes, and the limit is 1048576",
  );
  await faults({ uris: ["none.yaml"] }, 'cannot read config "none.yaml": ENOENT: no such file');
  await faults(
    { uris: ["https://host/config"] },
    'cannot read config "https://host/config": scheme "https" is not supported; there are file, env and yaml',
  );
  await faults(
    { files: { f: BASE }, sets: ["a.b"] },
    'invalid value "a.b" for flag --set: missing equal sign; write --set a.b=value',
  );
});

test("an alias bomb is refused without being followed to its end", async () => {
  const levels = Array.from({ length: 9 }, (_, level) => {
    const before = level === 0 ? '"x"' : `*a${level - 1}`;
    return `a${level}: &a${level} [${Array.from({ length: 10 }, () => before).join(", ")}]`;
  });
  const loaded = await loadConfig(sourceOf({ files: { f: levels.join("\n") } }), catalog);
  assert.ok(!loaded.ok);
  assert.match(loaded.faults[0]?.message ?? "", /too large once its aliases are followed/);
});

test("references that lead nowhere are faults with their place", async () => {
  const text = (value: string) => `receivers: {kata: {name: "${value}"}}\nexporters: {out: }\n${SERVICE}`;
  const at = "f:1:26: receivers::kata::name: ";
  await faults(
    { files: { f: text("${env:1A}") } },
    `${at}environment variable "1A" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$`,
  );
  await faults(
    { files: { f: text("${vault:x}") } },
    `${at}scheme "vault" is not supported in \${vault:x}; there are env, file and yaml`,
  );
  await faults({ files: { f: text("${file:/no}") } }, `${at}cannot read file "/no": ENOENT: no such file`);
  await faults(
    { files: { f: text("a${env:X") } },
    `${at}"\${" without its "}" in "a\${env:X"; write "$$" for a dollar sign`,
  );
  await faults(
    { files: { f: text("${env:L}") }, env: { L: "${env:L}" } },
    `${at}too many recursive expansions`,
  );
});

test("a secret is not shown in a fault", async () => {
  await faults(
    { files: { f: `receivers: {kata: {token: [hunter2]}}\nexporters: {out: }\n${SERVICE}` } },
    "f:1:20: receivers::kata::token: must be a text, got [REDACTED]",
  );
});

test("keys that objects have by nature are keys like others", async () => {
  await faults(
    { files: { f: `receivers: {kata: {__proto__: 1, constructor: 2}}\nexporters: {out: }\n${SERVICE}` } },
    'f:1:20: receivers::kata: unknown key "__proto__"; the keys are interval, name, count, token, mode, listen, body, list, tls',
    'f:1:34: receivers::kata: unknown key "constructor"; the keys are interval, name, count, token, mode, listen, body, list, tls',
  );
});

test("telemetry takes the Collector's shapes", async () => {
  const service = [
    "service:",
    "  pipelines: {metrics: {receivers: [kata], exporters: [out]}}",
    "  telemetry:",
    "    resource: {service.name: null, k8s.node.name: n1}",
    "    logs: {level: WARN, encoding: json}",
    "    metrics:",
    "      level: detailed",
    "      readers:",
    "        - pull: {exporter: {prometheus: {host: 0.0.0.0, port: 9999}}}",
    "        - periodic: {interval: 5000, exporter: {otlp: {protocol: grpc, endpoint: 'http://gw:4317', headers: {a: b}}}}",
  ].join("\n");
  const { service: got } = await load({
    files: { f: `receivers: {kata: }\nexporters: {out: }\n${service}` },
  });
  assert.equal(got.telemetry.logs.level, "warn");
  assert.deepEqual(got.telemetry.resource, { "service.name": null, "k8s.node.name": "n1" });
  const [pull, periodic] = got.telemetry.metrics.readers;
  assert.deepEqual(pull, { kind: "pull", host: "0.0.0.0", port: 9999, withoutScopeInfo: true });
  assert.ok(periodic?.kind === "periodic");
  assert.equal(periodic.intervalMs, 5_000);
  assert.deepEqual(periodic.headers, { a: "b" });
  assert.equal(got.shutdownTimeoutMs, 30_000);
});
