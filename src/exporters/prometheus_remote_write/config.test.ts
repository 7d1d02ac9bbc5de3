import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { faultsOf } from "../../../test/scenes/faults.ts";
import { remoteWriteSchema } from "./config.ts";

const ENDPOINT = "http://prometheus:9090/api/v1/write";

test("the endpoint is all that must be said; the labels are kata-monitor's", () => {
  const config = remoteWriteSchema.parse({ endpoint: ENDPOINT });
  assert.partialDeepStrictEqual(config, {
    url: { host: "prometheus", port: 9090, path: "/api/v1/write" },
    namespace: "",
    timeout: 5_000,
    sending_queue: { num_consumers: 1, batch: { max_size: 3_000_000, min: { bytes: 3_000_000 } } },
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

test("a socket has Prometheus' own path", () => {
  const { url } = remoteWriteSchema.parse({ endpoint: "unix:///run/prometheus.sock" });
  assert.partialDeepStrictEqual(url, { socketPath: "/run/prometheus.sock", path: "/api/v1/write" });
});

test("the smaller limit of a request's size holds", () => {
  const check = (input: object, want: object): void =>
    assert.partialDeepStrictEqual(
      remoteWriteSchema.parse({ endpoint: ENDPOINT, ...input }).sending_queue.batch,
      want,
    );
  check({ max_batch_size_bytes: 100_000 }, { max_size: 100_000, min: { bytes: 100_000 } });
  check({ max_batch_size_bytes: 9_000_000 }, { max_size: 4_000_000 });
  check({ sending_queue: { batch: { max_size: "2MiB" } } }, { max_size: 2_097_152 });
  const items = { batch: { max_size: 5_000, min_size: 100 } };
  check({ sending_queue: items }, { max_size: 3_000_000, max_items: 5_000, min: { items: 100 } });
});

/** The first fault, as `path: message`. */
function check(input: object, wanted: string | undefined): void {
  const [issue] = remoteWriteSchema.safeParse({ endpoint: ENDPOINT, ...input }).error?.issues ?? [];
  assert.equal(issue === undefined ? undefined : `${issue.path.join("::")}: ${issue.message}`, wanted);
}

test("options of the Collector that this exporter always follows are taken, their opposites refused", () => {
  check({ add_metric_suffixes: false, target_info: { enabled: false }, send_metadata: false }, undefined);
  check({ protobuf_message: "prometheus.WriteRequest", compression: "snappy" }, undefined);
  check({ sending_queue: { num_consumers: 1 } }, undefined);
  check(
    { add_metric_suffixes: true },
    "add_metric_suffixes: only false works: names stay as their source has them",
  );
  check(
    { target_info: { enabled: true } },
    "target_info::enabled: only false works: all that is known of a resource can be a label",
  );
  check(
    { sending_queue: { num_consumers: 5 } },
    "sending_queue::num_consumers: must be 1: the samples of a series must arrive in their order",
  );
});

test("what is wrong or not supported is refused with a reason", () => {
  check({ endpoint: undefined }, "endpoint: Invalid input: expected string, received undefined");
  check(
    { remote_write_queue: { queue_size: 1 } },
    "remote_write_queue: is not supported; say it in sending_queue",
  );
  check({ wal: { directory: "x" } }, "wal: is not supported; give sending_queue::storage a file_storage");
  check({ external_labels: { cri_name: "x" } }, "external_labels::cri_name: is in resource_labels already");
  check({ external_labels: { "a-b": "x" } }, "external_labels::a-b: Invalid key in record");
  const headers = { "x-prometheus-remote-write-version": "2" };
  assert.deepEqual(faultsOf(remoteWriteSchema, { endpoint: ENDPOINT, headers }), [
    'headers: is a header that the exporter itself decides about, got key "x-prometheus-remote-write-version"',
  ]);
  check({ no_such: 1 }, ': Unrecognized key: "no_such"');
});

test("headers are secrets, and the schema can be shown to editors", () => {
  const json = z.toJSONSchema(remoteWriteSchema, { io: "input", unrepresentable: "any" });
  const { properties } = JSON.parse(JSON.stringify(json));
  assert.equal(properties.headers.anyOf[0].additionalProperties.secret, true);
});
