// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { otlpHttpSchema } from "./config.ts";

test("the defaults are the Collector's", () => {
  const config = otlpHttpSchema.parse({ endpoint: "http://otel:4318" });
  assert.partialDeepStrictEqual(config, {
    url: { host: "otel", port: 4318, path: "/v1/metrics" },
    encoding: "proto",
    compression: { codec: "gzip", level: undefined },
    timeoutMs: 30_000,
    idleConnectionsMax: 100,
    idleTimeoutMs: 90_000,
    retryOnFailure: { enabled: true, initialIntervalMs: 5_000, maxElapsedMs: 300_000 },
    sendingQueue: { enabled: true, numConsumers: 10 },
  });
});

test("metrics_endpoint is taken as it is, in place of endpoint", () => {
  const check = (input: object, want: object): void =>
    assert.partialDeepStrictEqual(otlpHttpSchema.parse(input).url, want, JSON.stringify(input));
  check({ endpoint: "https://otel/otlp/" }, { isTls: true, path: "/otlp/v1/metrics" });
  check({ metrics_endpoint: "http://otel/push" }, { path: "/push" });
  check({ endpoint: "http://a", metrics_endpoint: "http://b/push?x=y" }, { host: "b", query: "?x=y" });
  check({ endpoint: "unix:///run/otel.sock" }, { socketPath: "/run/otel.sock", path: "/v1/metrics" });
  check({ metrics_endpoint: "unix:///run/otel.sock" }, { path: "/v1/metrics" });
});

/** The first fault, as `path: message`. */
function check(input: object, wanted: string | undefined): void {
  const { error } = otlpHttpSchema.safeParse({ endpoint: "http://otel:4318", ...input });
  const [issue] = error?.issues ?? [];
  assert.equal(issue === undefined ? undefined : `${issue.path.join("::")}: ${issue.message}`, wanted);
}

test("options of the Collector that mean the same are taken", () => {
  check({ encoding: "json", compression: "zstd", compression_params: { level: 11 } }, undefined);
  check({ compression: "" }, undefined);
  check({ compression: "snappy", headers: [{ name: "a", value: "b" }], proxy_url: "none" }, undefined);
  check({ compression: "zlib", compression_params: { level: 1 } }, undefined);
  check({ compression: "none", headers: { a: "b" }, tls: { ca_file: "/ca" } }, undefined);
  check({ compression_params: { level: 9 } }, undefined);
  check({ sending_queue: { enabled: false }, retry_on_failure: { enabled: false } }, undefined);
});

test("what is wrong or not supported is refused with a reason", () => {
  check({ endpoint: undefined }, "endpoint: is required, or metrics_endpoint");
  check(
    { endpoint: "otel:4318" },
    'endpoint: must be "http://host:port/path", "https://host:port/path" or "unix:///path"',
  );
  check(
    { compression: "brotli" },
    'compression: must be "gzip", "zstd", "zlib", "deflate", "snappy", "x-snappy-framed", "lz4" or "none"',
  );
  check({ compression_params: { level: 10 } }, "compression_params::level: must be from -1 to 9 for gzip");
  check(
    { compression: "none", compression_params: { level: 1 } },
    "compression_params::level: goes with gzip, zlib, deflate, zstd only",
  );
  check(
    { traces_endpoint: "http://otel" },
    "traces_endpoint: is not supported; metrics are all that this agent sends",
  );
  check({ encoding: "xml" }, 'encoding: must be "proto" or "json"');
  check({ no_such: true }, ': Unrecognized key: "no_such"');
});

test("headers and the key are secrets, and the schema can be shown to editors", () => {
  const json = z.toJSONSchema(otlpHttpSchema, { io: "input", unrepresentable: "any" });
  const { properties } = JSON.parse(JSON.stringify(json));
  assert.equal(properties.headers.anyOf[0].additionalProperties.secret, true);
  assert.equal(properties.tls.properties.key_pem.secret, true);
  assert.match(properties.timeout.description, /Deadline/);
});
