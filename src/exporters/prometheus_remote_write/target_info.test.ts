// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  reading,
  resource,
  texts,
  type WriterOptions,
  writer,
} from "../../../test/kit/component/request_writer.ts";
import { keyOf } from "../../../test/kit/oracle/remote_write.ts";

const T = 1_700_000_000_123;
const ROWS = [{ name: "a" }];

/** The series that are written of a resource with these attributes, in either version. */
function check(
  attributes: Readonly<Record<string, string>>,
  want: readonly string[],
  options: WriterOptions = {},
): void {
  for (const version of [1, 2] as const) {
    const { consumer, take } = writer({ targetInfo: true, ...options, version });
    consumer.consume(reading(resource("s1", attributes), ROWS, T));
    const samples = take();
    assert.deepEqual(samples.map(({ labels }) => keyOf(labels)).sort(), want);
    assert.ok(samples.every(({ labels, value }) => labels[0]?.[1] !== "target_info" || value === 1));
  }
}

test("target_info has the labels of the series and all other attributes", () => {
  check({ "k8s.node.name": "n1", "os.type": "linux" }, [
    'a{sandbox_id="s1"}',
    'target_info{k8s_node_name="n1",os_type="linux",sandbox_id="s1"}',
  ]);
  check({ "k8s.node.name": "n1", "k8s-node-name": "n2", "k8s.pod.name": "web" }, [
    'a{cri_name="web",sandbox_id="s1"}',
    'target_info{cri_name="web",exported_k8s_node_name="n1",k8s_node_name="n2",sandbox_id="s1"}',
  ]);
});

test("if the labels have all attributes, there is no target_info", () => {
  check({ "k8s.pod.name": "web", "os.type": "" }, ['a{cri_name="web",sandbox_id="s1"}']);
  check({ "os.type": "linux" }, ['a{os_type="linux",sandbox_id="s1"}'], { others: true });
  check({ "os.type": "linux" }, ['a{sandbox_id="s1"}'], { targetInfo: false });
});

test("a resource's service is job and instance of all its series", () => {
  const service = { "service.name": "kata", "service.instance.id": "i1" };
  check(service, ['a{instance="i1",job="kata",sandbox_id="s1"}']);
  check({ ...service, "service.namespace": "nodes", "os.type": "linux" }, [
    'a{instance="i1",job="nodes/kata",sandbox_id="s1"}',
    'target_info{instance="i1",job="nodes/kata",os_type="linux",sandbox_id="s1"}',
  ]);
  check({ "service.namespace": "nodes" }, ['a{sandbox_id="s1"}']);
  check(service, ['a{instance="i1",job="mine",sandbox_id="s1"}'], { external: { job: "mine" } });
});

test("the namespace is put before its name, and a source's own target_info takes precedence", () => {
  const named = writer({ targetInfo: true, namespace: "ns" });
  named.consumer.consume(reading(resource("s1", { "os.type": "linux" }), ROWS, T));
  assert.ok(named.take().some(({ labels }) => labels[0]?.[1] === "ns_target_info"));
  const { consumer, take, conflicts } = writer({ targetInfo: true });
  consumer.consume(reading(resource("s1", { "os.type": "linux" }), [{ name: "target_info" }], T));
  assert.deepEqual(texts(take()), [`target_info{sandbox_id="s1"}@${T} 0.5`]);
  assert.deepEqual(conflicts, ["name target_info"]);
});

test("target_info ends when what it says has changed, and with its resource", () => {
  const { consumer, take } = writer({ targetInfo: true });
  const info = (os: string): string => `target_info{os_type="${os}",sandbox_id="s1"}`;
  const of = (os: string) => resource("s1", { "os.type": os });
  consumer.consume(reading(of("linux"), ROWS, T));
  take();
  consumer.consume(reading(of("linux"), [...ROWS, { name: "b" }], T + 1));
  const a = 'a{sandbox_id="s1"}';
  const b = 'b{sandbox_id="s1"}';
  assert.deepEqual(texts(take()), [`${a}@${T + 1} 0.5`, `${b}@${T + 1} 1.5`, `${info("linux")}@${T + 1} 1`]);
  consumer.consume(reading(of("bsd"), ROWS, T + 2));
  assert.deepEqual(texts(take()), [
    `${a}@${T + 2} 0.5`,
    `${b}@${T + 2} stale`,
    `${info("bsd")}@${T + 2} 1`,
    `${info("linux")}@${T + 2} stale`,
  ]);
  consumer.consume(reading(resource("s1"), ROWS, T + 3));
  assert.deepEqual(texts(take()), [`${a}@${T + 3} 0.5`, `${info("bsd")}@${T + 3} stale`]);
  consumer.consume(reading(of("bsd"), ROWS, T + 4));
  take();
  consumer.end({ resource: of("bsd"), timeMs: T + 5 });
  assert.deepEqual(texts(take()), [`${a}@${T + 5} stale`, `${info("bsd")}@${T + 5} stale`]);
});
