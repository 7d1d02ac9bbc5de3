// SPDX-License-Identifier: Apache-2.0
import { test } from "node:test";
import { BASE, refused, SERVICE, warned } from "./fake_catalog.ts";

test("ids are type or type/name", async () => {
  const ids = `receivers: {kata/: , 'kata/a b': , nope: , 5: , kata/${"n".repeat(1_025)}: , kata: }\nexporters: {out: }\n`;
  await refused(
    ids + SERVICE,
    'f:1:13: receivers::kata/: in "kata/" id: the part after / should not be empty',
    'f:1:22: receivers::kata/a b: in "kata/a b" id: the name may have no spaces, control characters or symbols',
    'f:1:36: receivers::nope: unknown type: "nope" for id: "nope" (valid values: [kata])',
    'f:1:44: receivers::5: in "5" id: the type must match ^[a-zA-Z][0-9a-zA-Z_]{0,62}$',
    `f:1:49: receivers::kata/${"n".repeat(1_025)}: in "kata/${"n".repeat(75)}…" id: the name may have 1024 characters at most`,
  );
});

test("a misspelt type is recognised", async () => {
  await refused(
    `receivers: {kata: }\nexporters: {otlp_grcp: , out: }\n${SERVICE}`,
    'f:2:13: exporters::otlp_grcp: unknown type: "otlp_grcp" for id: "otlp_grcp" (valid values: [otlp_grpc out]); did you mean "otlp_grpc"?',
  );
});

test("ids that are one id after trimming are refused", async () => {
  await refused(
    `receivers: {kata: , ' kata': }\nexporters: {out: }\n${SERVICE}`,
    'f:1:21: receivers:: kata: duplicate name "kata" after unmarshaling',
  );
  await refused(
    `receivers: {kata: }\nexporters: {out: }\nservice:\n  pipelines:\n    metrics: {receivers: [kata], exporters: [out]}\n    'metrics ': {receivers: [kata], exporters: [out]}\n`,
    'f:6:5: service::pipelines::metrics : duplicate name "metrics" after unmarshaling',
  );
});

test("an older name of a component works, with one warning", async () => {
  await warned(
    "receivers: {kata: }\nexporters: {otlp/a: , otlp/b: , otlp_grpc: }\nservice: {pipelines: {metrics: {receivers: [kata], exporters: [otlp/a, otlp/b, otlp_grpc]}}}",
    'f:2:13: exporters::otlp/a: "otlp" is an older name of "otlp_grpc"; both work',
  );
});

test("sections are maps of ids, and there are no connectors", async () => {
  await refused(
    `receivers: [kata]\nexporters: {out: }\nprocessors: 3\nconnectors: {sum: }\n${SERVICE}`,
    "f:1:1: receivers: must be a map of component ids, got a list",
    "f:1:1: no receiver configuration specified in config",
    "f:3:13: processors: must be a map of component ids, got a scalar",
    "f:4:1: connectors: this build has no connectors",
    'f:5:45: service::pipelines::metrics::receivers::0: references receiver "kata" which is not configured',
  );
  await warned(`${BASE}connectors: {}\nextensions:\n`);
});

test("pipelines are checked as in the Collector", async () => {
  const pipelines = [
    "    metrics: {receivers: [kata], processors: [meta, meta], exporters: []}",
    "    metrics/b: {receivers: , exporters: [out]}",
    "    metrics/c:",
    "    metrics/: {receivers: [kata], exporters: [out]}",
    "    traces: {receivers: [kata], exporters: [out]}",
    "    metric: {receivers: [kata], exporters: [out]}",
    "    metrics/d: {receivers: [kata], exporters: [gone], processors: [meta/x]}",
  ];
  await refused(
    `receivers: {kata: }\nprocessors: {meta: }\nexporters: {out: }\nservice:\n  pipelines:\n${pipelines.join("\n")}`,
    "f:6:5: service::pipelines::metrics: must have at least one exporter",
    'f:6:53: service::pipelines::metrics::processors::1: references processor "meta" multiple times',
    "f:7:5: service::pipelines::metrics/b: must have at least one receiver",
    "f:8:15: service::pipelines::metrics/c: must have at least one receiver",
    "f:8:15: service::pipelines::metrics/c: must have at least one exporter",
    'f:9:5: service::pipelines::metrics/: in "metrics/" id: the part after / should not be empty',
    "f:10:5: service::pipelines::traces: this agent has metrics only: no pipeline for traces",
    'f:11:5: service::pipelines::metric: unknown signal "metric"; a pipeline is "metrics" or "metrics/name"; did you mean "metrics"?',
    'f:12:48: service::pipelines::metrics/d::exporters::0: references exporter "gone" which is not configured',
    'f:12:68: service::pipelines::metrics/d::processors::0: references processor "meta/x" which is not configured; did you mean "meta"?',
  );
});

test("a pipeline of the wrong shape has that fault and no other", async () => {
  const check = (pipelines: string, ...want: readonly string[]): Promise<void> =>
    refused(`receivers: {kata: }\nexporters: {out: }\nservice: {pipelines: ${pipelines}}`, ...want);
  await check("[metrics]", "f:3:11: service::pipelines: must be a map, got a list");
  await check("", "f:3:22: service::pipelines: service must have at least one pipeline");
  await check("{}", "f:3:11: service::pipelines: service must have at least one pipeline");
  await check(
    "{metrics: {receivers: {kata: }, exporters: [out]}}",
    "f:3:33: service::pipelines::metrics::receivers: must be a list, got a map",
  );
  await check(
    "{metrics: {receivers: [kata, {a: b}], exporters: [out]}}",
    "f:3:51: service::pipelines::metrics::receivers::1: must be a text, got a map",
  );
  await check(
    "{metrics: {receivers: [kata], exporters: [out], exportes: [x]}}",
    'f:3:70: service::pipelines::metrics: unknown key "exportes"; did you mean "exporters"?',
  );
});

test("a config without a service section gets faults for what is missing", async () => {
  await refused(
    "receivers: {kata: }\nexporters: {out: }\n",
    "f:1:1: service::pipelines: service must have at least one pipeline",
  );
});

test("extensions must be configured", async () => {
  await refused(
    `extensions: {health: }\n${BASE.replace("service: {", "service: {shutdown_timeout: 0s, extensions: [health, helth, health], ")}`,
    'f:4:29: service::shutdown_timeout: must be at least 100ms, got "0s"',
    'f:4:54: service::extensions::1: references extension "helth" which is not configured; did you mean "health"?',
    'f:4:61: service::extensions::2: references extension "health" multiple times',
  );
});

test("a component's remarks on its config are warnings with their places", async () => {
  const config = (count: number): string =>
    `receivers: {kata: {count: ${count}}}\nexporters: {out: }\n${SERVICE}`;
  await warned(config(100));
  await warned(config(101), "f:1:27: receivers::kata::count: is more than most machines bear");
});

test("a component that is configured and not used gets a warning", async () => {
  await warned(
    `processors: {filter/x: }\nextensions: {health: }\n${BASE}`,
    "f:1:14: processors::filter/x: is in no pipeline and will not run",
    "f:2:14: extensions::health: is not in service::extensions and will not run",
  );
});

test("a component with a fault of its own is still one that pipelines may refer to", async () => {
  await refused(
    `receivers: {kata: {count: 0}, nope: }\nexporters: {out: }\n${SERVICE.replace("[kata]", "[kata, nope]")}`,
    "f:1:27: receivers::kata::count: must be at least 1, got 0",
    'f:1:31: receivers::nope: unknown type: "nope" for id: "nope" (valid values: [kata])',
  );
});

test("a queue's storage must be an extension that runs", async () => {
  const config = (storage: string, service: string): string =>
    `receivers: {kata: }\nexporters: {out: {sending_queue: {storage: ${storage}}}}\nextensions: {health: , store: , store/b: }\n${service}`;
  const runs = SERVICE.replace("{pipelines", "{extensions: [health, store], pipelines");
  await refused(
    config("stroe", runs),
    'f:2:44: exporters::out::sending_queue::storage: references extension "stroe" which is not configured; did you mean "store"?',
  );
  await refused(
    config("store/b", runs),
    'f:2:44: exporters::out::sending_queue::storage: references extension "store/b" which is not in service::extensions',
  );
  await refused(
    config("health", runs),
    'f:2:44: exporters::out::sending_queue::storage: references extension "health" which keeps no queues; a file_storage does',
  );
  await warned(
    config("store", runs),
    "f:3:33: extensions::store/b: is not in service::extensions and will not run",
  );
});
