// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { accepted, refused } from "../config/fake_catalog.ts";
import { ANY_SERVING } from "../http_server/serving.ts";
import type { TelemetryConfig } from "./config.ts";

/** A config with this as its telemetry, which begins in column 15 of line 3. */
function withTelemetry(telemetry: string): string {
  const pipelines = "pipelines: {metrics: {receivers: [kata], exporters: [out]}}";
  return `receivers: {kata: }\nexporters: {out: }\nservice:\n  telemetry: ${telemetry}\n  ${pipelines}\n`;
}

async function telemetry(text: string): Promise<TelemetryConfig> {
  return (await accepted(withTelemetry(text))).service.telemetry;
}

/** Checks the one fault of a telemetry section, whose place is the last place of `at` in the text. */
async function check(text: string, at: string, want: string): Promise<void> {
  await refused(withTelemetry(text), `f:4:${14 + text.lastIndexOf(at)}: service::telemetry::${want}`);
}

test("the defaults are the Collector's", async () => {
  assert.deepEqual(await telemetry(""), {
    metrics: {
      level: "normal",
      readers: [
        {
          kind: "pull",
          address: { host: "localhost", port: 8888 },
          serving: ANY_SERVING,
          withoutScopeInfo: true,
        },
      ],
    },
    logs: { level: "info", encoding: "console", initialFields: {} },
    resource: {},
  });
});

test("readers take the Collector's shapes", async () => {
  const { metrics } = await telemetry(
    `{metrics: {level: detailed, readers: [
      {pull: {exporter: {prometheus: {host: 0.0.0.0, port: 9999, without_units: true, without_scope_info: false}}}},
      {pull: {exporter: {prometheus: }}},
      {periodic: {interval: 5000, exporter: {otlp: {protocol: grpc/protobuf, endpoint: 'http://gw:4317', headers: {a: b}, timeout: 2000}}}},
      {periodic: {exporter: {otlp: {endpoint: 'gw:4317', headers: [{name: c, value: d}], certificate: /ca, compression: gzip}}}}]}}`,
  );
  assert.equal(metrics.level, "detailed");
  const none = { caFile: undefined, certFile: undefined, keyFile: undefined };
  assert.deepEqual(metrics.readers, [
    { kind: "pull", address: { host: "0.0.0.0", port: 9999 }, serving: ANY_SERVING, withoutScopeInfo: false },
    {
      kind: "pull",
      address: { host: "localhost", port: 8888 },
      serving: ANY_SERVING,
      withoutScopeInfo: true,
    },
    {
      kind: "periodic",
      intervalMs: 5_000,
      timeoutMs: 2_000,
      endpoint: "http://gw:4317",
      insecure: false,
      tls: none,
      compression: "none",
      headers: { a: "b" },
    },
    {
      kind: "periodic",
      intervalMs: 60_000,
      timeoutMs: 10_000,
      endpoint: "gw:4317",
      insecure: false,
      tls: { ...none, caFile: "/ca" },
      compression: "gzip",
      headers: { c: "d" },
    },
  ]);
});

test("logs take the Collector's options as far as they mean something here", async () => {
  const { logs } = await telemetry(
    "{logs: {level: WARN, encoding: json, initial_fields: {node: n1, x: null}, output_paths: [stderr], disable_caller: true, sampling: {enabled: false, initial: 5}}}",
  );
  assert.deepEqual(logs, { level: "warn", encoding: "json", initialFields: { node: "n1", x: null } });
});

test("the resource is an inline map or a list, and a null removes a default", async () => {
  const want = { "service.name": null, "k8s.node.name": "n1", n: "5" };
  const inline = await telemetry("{resource: {service.name: null, k8s.node.name: n1, n: 5}}");
  assert.deepEqual(inline.resource, want);
  const list = await telemetry(
    "{resource: {attributes: [{name: service.name, value: null}, {name: k8s.node.name, value: n1}, {name: n, value: 5}]}}",
  );
  assert.deepEqual(list.resource, want);
});

test("an option that only the Collector has gets a fault that says what to write", async () => {
  await check(
    "{metrics: {address: ':8888'}}",
    "':8888'",
    'metrics::address: is no more, as in the Collector; write "readers: [{pull: {exporter: {prometheus: {host: localhost, port: 8888}}}}]"',
  );
  await check(
    "{metrics: {views: []}}",
    "views",
    "metrics::views: is not supported; every metric of the level is given",
  );
  await check(
    "{traces: {level: basic}}",
    "basic",
    'traces::level: must be "none": the agent writes no traces, got "basic"',
  );
  await check(
    "{logs: {processors: []}}",
    "processors",
    "logs::processors: is not supported; logs go to stderr",
  );
  await check(
    "{logs: {output_paths: [/var/log/x]}}",
    "/var/log/x",
    'logs::output_paths::0: must be "stderr": who runs the agent takes its log from there, got "/var/log/x"',
  );
  await check(
    "{logs: {sampling: {enabled: true}}}",
    "true",
    "logs::sampling::enabled: must be false: every line is written, got true",
  );
});

test("a reader is either a pull or a periodic one, and complete", async () => {
  const checkReader = (reader: string, at: string, want: string): Promise<void> =>
    check(`{metrics: {readers: [${reader}]}}`, at, `metrics::readers::0${want}`);
  const either = ': must have either "pull" or "periodic", got a map';
  await checkReader("{}", "{}", either);
  await checkReader("{pull: }", "{pull", either);
  const both = "{pull: {exporter: {prometheus: }}, periodic: {exporter: {otlp: {endpoint: x}}}}";
  await checkReader(both, "{pull", either);
  await checkReader(
    "{pull: {exporter: {otlp: {}}}}",
    "otlp",
    '::pull::exporter: unknown key "otlp"; the keys are prometheus',
  );
  await checkReader(
    "{pull: {exporter: {prometheus: {without_type_suffix: true}}}}",
    "true",
    '::pull::exporter::prometheus::without_type_suffix: must be false: counters end in "_total" here, got true',
  );
  const otlp = (options: string): string => `{periodic: {exporter: {otlp: {${options}}}}}`;
  const path = "::periodic::exporter::otlp";
  await checkReader(
    otlp("protocol: http/protobuf, endpoint: x"),
    "http/",
    `${path}::protocol: must be "grpc": the agent pushes its metrics over gRPC only, got "http/protobuf"`,
  );
  await checkReader(otlp(""), "otlp", `${path}::endpoint: is missing; must be a text`);
  await checkReader(
    otlp("endpoint: 'http://h/v1/metrics'"),
    "'http",
    `${path}::endpoint: must be such as "http://host:4317" or "https://host:4317", got "http://h/v1/metrics"`,
  );
  await checkReader(
    otlp("endpoint: h, headers: {grpc-x: y}"),
    "grpc-x",
    `${path}::headers: must be a header's name: letters, digits, _, - and ., not beginning with grpc- or ending in -bin, got key "grpc-x"`,
  );
  await checkReader(
    otlp('endpoint: h, headers: {x: "a\\nb"}'),
    '"a',
    `${path}::headers::x: must be printable ASCII, got [REDACTED]`,
  );
  await checkReader(
    otlp("endpoint: h, client_key: /k"),
    "otlp",
    `${path}::client_certificate: is of use only together with client_key`,
  );
});
