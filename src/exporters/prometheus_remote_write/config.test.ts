// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { faultsOf } from "../../../test/kit/component/config_faults.ts";
import { remoteWriteSchema } from "./config.ts";

const ENDPOINT = "http://prometheus:9090/api/v1/write";

test("only the endpoint is required; the labels are kata-monitor's", () => {
  const config = remoteWriteSchema.parse({ http: { endpoint: ENDPOINT } });
  assert.partialDeepStrictEqual(config, {
    url: { host: "prometheus", port: 9090, path: "/api/v1/write" },
    namespace: "",
    timeoutMs: 5_000,
    headers: {},
    idleConnectionsMax: 100,
    idleTimeoutMs: 90_000,
    keepAlives: true,
    version: 1,
    sendsMetadata: false,
    targetInfo: true,
    stalenessMarkers: true,
    requestBytesMax: 3_000_000,
    sendingQueue: {
      numConsumers: 1,
      sizer: "bytes",
      batch: { maxBytes: 250_000, min: { bytes: 250_000 } },
    },
    labels: { constant: [], others: false },
  });
  assert.deepEqual(
    config.labels.mapped.map(({ label, attribute }) => `${label}=${attribute}`),
    [
      "sandbox_id=kata.sandbox.id",
      "cri_uid=k8s.pod.uid",
      "cri_name=k8s.pod.name",
      "cri_namespace=k8s.namespace.name",
    ],
  );
});

test("HTTP options are accepted inside http or outside of it, but not in both places", () => {
  const client = { timeout: "9s", headers: { "X-Scope-OrgID": "a" }, tls: { insecure_skip_verify: true } };
  const { endpointPath: _, ...want } = remoteWriteSchema.parse({ http: { endpoint: ENDPOINT, ...client } });
  assert.partialDeepStrictEqual(want, { timeoutMs: 9_000, headers: { "X-Scope-OrgID": "a" } });
  assert.equal(want.tls.insecureSkipVerify, true);
  assert.partialDeepStrictEqual(remoteWriteSchema.parse({ endpoint: ENDPOINT, ...client }), want);
  assert.partialDeepStrictEqual(remoteWriteSchema.parse({ endpoint: ENDPOINT, http: client }), want);
  const auth = { authenticator: "basicauth" };
  assert.partialDeepStrictEqual(parse({ auth }), { auth, authPath: ["auth"] });
  assert.partialDeepStrictEqual(parse({ http: { auth } }), { auth, authPath: ["http", "auth"] });
  check({ timeout: "5s", http: { timeout: "5s" } }, "timeout: is in http too; write it there only");
  check({ http: { endpoint: ENDPOINT } }, "endpoint: is in http too; write it there only");
  check({ endpoint: undefined }, "http::endpoint: is required");
  check({ http: { timeout: "x" } }, 'http::timeout: must be a duration such as "15s" or "1m30s"');
  check({ http: { no_such: 1 } }, 'http: Unrecognized key: "no_such"');
  check({ http: { cookies: {} } }, "http::cookies: is not supported; no cookie is kept");
});

test("a socket has Prometheus' own path", () => {
  const { url } = remoteWriteSchema.parse({ http: { endpoint: "unix:///run/prometheus.sock" } });
  assert.partialDeepStrictEqual(url, { socketPath: "/run/prometheus.sock", path: "/api/v1/write" });
});

const parse = (input: object) => remoteWriteSchema.parse({ endpoint: ENDPOINT, ...input });

test("the size of a batch, which is compressed, is that of about one request", () => {
  const checkBatch = (input: object, want: object): void =>
    assert.partialDeepStrictEqual(parse(input).sendingQueue.batch, want);
  checkBatch({ max_batch_size_bytes: 120_000 }, { maxBytes: 10_000, min: { bytes: 10_000 } });
  checkBatch({ max_batch_size_bytes: 90_000_000 }, { maxBytes: 4_000_000 });
  checkBatch({ sending_queue: { batch: { max_size: "100KiB" } } }, { maxBytes: 102_400 });
  const items = { batch: { max_size: 5_000, min_size: 100 } };
  checkBatch({ sending_queue: items }, { maxBytes: 250_000, maxItems: 5_000, min: { items: 100 } });
  checkBatch({ protobuf_message: "io.prometheus.write.v2.Request" }, { maxItems: 1, min: { items: 1 } });
});

test("remote_write_queue sets the same as sending_queue, in readings", () => {
  const queueOf = (remote_write_queue: object) => parse({ remote_write_queue }).sendingQueue;
  assert.partialDeepStrictEqual(queueOf({ queue_size: 10_000, num_consumers: 5 }), {
    enabled: true,
    queueSize: 10_000,
    sizer: "requests",
    numConsumers: 1,
  });
  assert.deepEqual(queueOf({}), parse({}).sendingQueue);
  assert.equal(queueOf({ enabled: false }).enabled, false);
  check(
    { remote_write_queue: { queue_size: 0 } },
    "remote_write_queue::queue_size: Too small: expected number to be >=1",
  );
  check(
    { remote_write_queue: {}, sending_queue: { queue_size: 5 } },
    "remote_write_queue: says what sending_queue says too; leave it out",
  );
});

/** The first fault, as `path: message`. */
function check(input: object, wanted: string | undefined): void {
  const [issue] = remoteWriteSchema.safeParse({ endpoint: ENDPOINT, ...input }).error?.issues ?? [];
  assert.equal(issue === undefined ? undefined : `${issue.path.join("::")}: ${issue.message}`, wanted);
}

test("options choose what is sent", () => {
  const message = "io.prometheus.write.v2.Request";
  assert.partialDeepStrictEqual(parse({ protobuf_message: message }), { version: 2, sendsMetadata: false });
  assert.partialDeepStrictEqual(parse({ send_metadata: true }), { sendsMetadata: true });
  // Each sample of 2.0 says it.
  assert.partialDeepStrictEqual(parse({ send_metadata: true, protobuf_message: message }), {
    sendsMetadata: false,
  });
  assert.partialDeepStrictEqual(parse({ target_info: { enabled: false } }), { targetInfo: false });
  assert.partialDeepStrictEqual(parse({ staleness_markers: false }), { stalenessMarkers: false });
});

test("options of the Collector with the only value that works are accepted, other values are refused", () => {
  check({ add_metric_suffixes: false, export_created_metric: { enabled: false } }, undefined);
  check({ protobuf_message: "prometheus.WriteRequest", compression: "snappy" }, undefined);
  check({ sending_queue: { num_consumers: 1 }, max_batch_request_parallelism: 1 }, undefined);
  check({ disable_scope_info: true, convert_explicit_histograms_to_nhcb: false }, undefined);
  check(
    { add_metric_suffixes: true },
    "add_metric_suffixes: only false works: names stay as their source has them",
  );
  const inOrder = "must be 1: the samples of a series must arrive in their order";
  check({ sending_queue: { num_consumers: 5 } }, `sending_queue::num_consumers: ${inOrder}`);
  check({ max_batch_request_parallelism: 5 }, `max_batch_request_parallelism: ${inOrder}`);
});

test("wrong and unsupported options are refused with a reason", () => {
  check({ wal: { directory: "x" } }, "wal: is not supported; give sending_queue::storage a file_storage");
  check({ external_labels: { cri_name: "x" } }, "external_labels::cri_name: is in resource_labels already");
  check({ external_labels: { "a-b": "x" } }, "external_labels::a-b: Invalid key in record");
  const headers = { "x-prometheus-remote-write-version": "2" };
  const own =
    'is a header that the exporter itself decides about, got key "x-prometheus-remote-write-version"';
  assert.deepEqual(faultsOf(remoteWriteSchema, { endpoint: ENDPOINT, headers }), [`headers: ${own}`]);
  const http = { endpoint: ENDPOINT, headers };
  assert.deepEqual(faultsOf(remoteWriteSchema, { http }), [`http::headers: ${own}`]);
  check({ no_such: 1 }, ': Unrecognized key: "no_such"');
});

test("headers are secrets, and the schema can be shown to editors, with defaults", () => {
  const json = z.toJSONSchema(remoteWriteSchema, { io: "input", unrepresentable: "any" });
  const { properties } = JSON.parse(JSON.stringify(json));
  for (const place of [properties, properties.http.properties]) {
    assert.equal(place.headers.anyOf[0].additionalProperties.secret, true);
    assert.match(place.timeout.description, /; 5s if left out$/);
    assert.match(place.max_idle_conns.description, /; 100 if left out$/);
  }
});
