// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { faultsOf } from "../../../test/kit/component/config_faults.ts";
import { otlpGrpcSchema } from "./config.ts";
import { remarksOnOtlpGrpc } from "./remarks.ts";

test("the defaults are the Collector's", () => {
  const config = otlpGrpcSchema.parse({ endpoint: "otel:4317" });
  assert.deepEqual(config.endpoint, { place: { host: "otel", port: 4317 }, security: "configured" });
  assert.equal(config.timeoutMs, 5_000);
  assert.equal(config.compression, "gzip");
  assert.equal(config.tls.insecure, false);
  assert.equal(config.balancer, "round_robin");
  assert.partialDeepStrictEqual(config.retryOnFailure, {
    enabled: true,
    initialIntervalMs: 5_000,
    randomizationFactor: 0.5,
    multiplier: 1.5,
    maxIntervalMs: 30_000,
    maxElapsedMs: 300_000,
  });
  assert.equal(config.sendingQueue.numConsumers, 10);
  assert.equal(config.sendingQueue.batch.flushTimeoutMs, 200);
  assert.ok(config.sendingQueue.batch.maxBytes < 4 * 1024 * 1024);
});

/** The first fault, as `path: message`. */
function check(input: object, wanted: string | undefined): void {
  const { error } = otlpGrpcSchema.safeParse({ endpoint: "otel:4317", ...input });
  const [issue] = error?.issues ?? [];
  assert.equal(issue === undefined ? undefined : `${issue.path.join("::")}: ${issue.message}`, wanted);
}

test("options of the Collector that mean the same are taken", () => {
  check({ compression: "none", authority: "a", user_agent: "u", wait_for_ready: true }, undefined);
  check({ keepalive: { time: "30s", timeout: "5s", permit_without_stream: true } }, undefined);
  check({ sending_queue: { sizer: "bytes", queue_size: "128MiB", block_on_overflow: false } }, undefined);
  check({ sending_queue: { enabled: false, queue_size: 1 } }, undefined);
  check({ retry_on_failure: { enabled: false } }, undefined);
  check({ tls: { reload_interval: "1h", cipher_suites: ["TLS_RSA_WITH_AES_128_CBC_SHA"] } }, undefined);
  check({ tls: { ca_file: "/ca", cert_file: "/crt", key_file: "/key", max_version: "1.3" } }, undefined);
});

test("what is wrong or not supported is refused with a reason", () => {
  check(
    { endpoint: "ftp://x" },
    'endpoint: must be "host:port", "http://host:port", "https://host:port" or "unix:///path"',
  );
  check({ compression: "lz4" }, 'compression: must be "gzip", "zstd", "snappy" or "none"');
  check(
    { endpoint: "http://otel:4317/v1/metrics" },
    "endpoint: has a path, which gRPC has no use for; otlp_http takes URLs with one",
  );
  check(
    { tls: { min_version: "1.0" } },
    'tls::min_version: must be "1.2" or "1.3"; older versions of TLS are not safe',
  );
  check(
    { endpoint: "h:1", tls: { curve_preferences: ["P224"] } },
    'tls::curve_preferences::0: Invalid option: expected one of "X25519"|"X25519MLKEM768"|"P256"|"P384"|"P521"',
  );
  check(
    { tls: { cipher_suites: ["ECDHE-RSA-AES128-SHA"] } },
    "tls::cipher_suites::0: must be a cipher suite of TLS 1.2 by its IANA name",
  );
  check(
    { tls: { reload_interval: "1 h" } },
    'tls::reload_interval: must be a duration such as "15s" or "1m30s"',
  );
  check({ tls: { ca_file: "a", ca_pem: "b" } }, "tls::ca_pem: cannot be given together with ca_file");
  check({ tls: { cert_file: "a" } }, "tls::cert_file: needs key_file or key_pem as well");
  check(
    { tls: { min_version: "1.3", max_version: "1.2" } },
    "tls::max_version: must not be below min_version",
  );
  check(
    { sending_queue: { queue_size: "1MiB" } },
    "sending_queue::queue_size: must hold the largest request; its unit is bytes, and a request can have 4000000",
  );
  check(
    { sending_queue: { queue_size: "1GiB", sizer: "items" } },
    "sending_queue::queue_size: is in bytes, and sizer says items",
  );
  check(
    { sending_queue: { num_consumers: 0 } },
    "sending_queue::num_consumers: `num_consumers` must be positive",
  );
  check({ auth: { authenticator: "" } }, "auth::authenticator: must be an extension's id");
  check({ retries: true }, ': Unrecognized key: "retries"');
});

test("headers that frame the message are refused", () => {
  const refused = (name: string, why: string): void =>
    assert.deepEqual(faultsOf(otlpGrpcSchema, { endpoint: "otel", headers: { [name]: "x" } }), [
      `headers: ${why}, got key "${name}"`,
    ]);
  refused("TE", "is a header that the exporter itself decides about");
  refused("grpc-timeout", "a header must not begin with grpc- or end in -bin");
  refused("token-bin", "a header must not begin with grpc- or end in -bin");
});

test("keepalive and endpoints that servers or people usually mean otherwise are remarked on", () => {
  const check = (input: object, ...want: readonly string[]): void => {
    const remarks = remarksOnOtlpGrpc(otlpGrpcSchema.parse({ endpoint: "otel:4317", ...input }));
    assert.deepEqual(
      remarks.map(({ path }) => path.join("::")),
      want,
    );
  };
  check({});
  check({ keepalive: { timeout: "5s" } });
  check({ keepalive: { time: "5m" } });
  check({ keepalive: { time: "4m59s" } }, "keepalive::time");
  check({ endpoint: "otel:4318", keepalive: { time: "10s" } }, "endpoint", "keepalive::time");
  check({ endpoint: "unix:///run/otel.sock" });
});

test("headers and the key are secrets, and the schema can be shown to editors", () => {
  const json = z.toJSONSchema(otlpGrpcSchema, { io: "input", unrepresentable: "any" });
  const properties = JSON.parse(JSON.stringify(json)).properties;
  assert.equal(properties.headers.anyOf[0].additionalProperties.secret, true);
  assert.equal(properties.tls.properties.key_pem.secret, true);
  assert.match(properties.timeout.description, /Deadline/);
});
