// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { factory } from "./factory.ts";

const ENDPOINT = { endpoint: "127.0.0.1:8090" };

function check(
  input: Record<string, unknown>,
  want: readonly (readonly [path: string, message: RegExp])[],
): void {
  const { success, error } = factory.schema.safeParse(input);
  assert.equal(success, want.length === 0);
  const got = error?.issues.map(({ path, message }) => `${path.join("::")}: ${message}`) ?? [];
  assert.equal(got.length, want.length, got.join("\n"));
  for (const [index, [path, message]] of want.entries()) {
    const text = got[index] ?? "";
    assert.ok(text.startsWith(`${path}: `), text);
    assert.match(text, message);
  }
}

test("only the endpoint is required; the labels are kata-monitor's", () => {
  check({}, [["endpoint", /./]]);
  const config = factory.schema.parse(ENDPOINT);
  assert.deepEqual(config.address, { host: "127.0.0.1", port: 8090 });
  assert.equal(config.path, "/metrics");
  assert.equal(config.expirationMs, 300_000);
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

test("labels keep the order in which they are configured", () => {
  const resource_labels = { pod: "k8s.pod.name", id: "kata.sandbox.id" };
  const { labels } = factory.schema.parse({ ...ENDPOINT, resource_labels, const_labels: { node: "n1" } });
  assert.deepEqual(
    labels.mapped.map(({ label }) => label),
    ["pod", "id"],
  );
  assert.deepEqual(labels.constant, [{ key: "node", value: "n1" }]);
});

test("labels that no page can hold are refused", () => {
  for (const name of ["9a", "a-b", "", "__name__", "le", "quantile"]) {
    check({ ...ENDPOINT, const_labels: { [name]: "x" } }, [[`const_labels::${name}`, /./]]);
  }
  check({ ...ENDPOINT, const_labels: { cri_name: "x" } }, [["const_labels::cri_name", /resource_labels/]]);
});

test("options of the Collector with the only value that works are accepted, other values are refused", () => {
  check({ ...ENDPOINT, add_metric_suffixes: false, without_scope_info: true }, []);
  check({ ...ENDPOINT, translation_strategy: "UnderscoreEscapingWithoutSuffixes" }, []);
  check({ ...ENDPOINT, add_metric_suffixes: true }, [["add_metric_suffixes", /only false works/]]);
  check({ ...ENDPOINT, without_scope_info: false }, [["without_scope_info", /only true works/]]);
  check({ ...ENDPOINT, translation_strategy: "NoTranslation" }, [["translation_strategy", /only/]]);
});

test("paths, namespaces and limits are checked", () => {
  check({ ...ENDPOINT, path: "metrics" }, [["path", /such as/]]);
  check({ ...ENDPOINT, path: "/" }, [["path", /such as/]]);
  check({ ...ENDPOINT, namespace: "a-b" }, [["namespace", /letters/]]);
  check({ ...ENDPOINT, limits: { pulls: 0, connections: 1 } }, [["limits::pulls", /./]]);
  check({ ...ENDPOINT, tls: { cert_file: "a" } }, [["tls::key_file", /./]]);
});
