// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { startNode } from "../kit/node/simulated_node.ts";
import { peerIsThere } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import {
  OTLP_RECEIVER_NEEDS,
  type OtlpJsonPoint,
  type OtlpJsonResource,
  startOtlpReceiver,
} from "./otlp_receiver.ts";

const NO_RECORDED_VALUE = 1;

function attribute(
  list: readonly { key: string; value: { stringValue?: string } }[] = [],
  key: string,
): string | undefined {
  return list.find((one) => one.key === key)?.value.stringValue;
}

/** Returns the values of a resource's gauges and sums, by `name{labels}`. */
function series(resource: OtlpJsonResource): Map<string, OtlpJsonPoint> {
  const found = new Map<string, OtlpJsonPoint>();
  for (const { metrics = [] } of resource.scopeMetrics ?? []) {
    for (const { name, gauge, sum } of metrics) {
      for (const point of (gauge ?? sum)?.dataPoints ?? []) {
        const labels = (point.attributes ?? []).map(
          ({ key, value }) => `${key}="${value.stringValue ?? ""}"`,
        );
        found.set(labels.length === 0 ? name : `${name}{${labels.join(",")}}`, point);
      }
    }
  }
  return found;
}

test("an independent OTLP receiver reads the numbers of the shim's page, the pod's name, and the end", async (context) => {
  const receiver = await startOtlpReceiver();
  if (!peerIsThere(context, OTLP_RECEIVER_NEEDS, receiver !== undefined) || receiver === undefined) return;
  const node = await startNode({
    simulator: { sandboxes: 1, flavor: "go" },
    configure(config) {
      config.exporters["otlp_grpc"] = { endpoint: receiver.endpoint, tls: { insecure: true } };
      const { metrics } = config.service.pipelines;
      if (metrics !== undefined) metrics["exporters"] = ["prometheus", "otlp_grpc"];
      // There is one scrape only, so that the page that was served last is the one that was pushed.
      config.receivers["kata"] = { ...config.receivers["kata"], collection_interval: "10m" };
    },
  });
  try {
    const [sandbox] = node.simulator.sandboxes.values();
    assert.ok(sandbox !== undefined);
    const resources = () => receiver.requests.flatMap((request) => request.resourceMetrics ?? []);
    const pushed = await poll("the reading", () =>
      resources().find((one) => series(one).get("kata_collector_sandbox_up")?.asDouble === 1),
    );
    const attributes = pushed.resource?.attributes ?? [];
    assert.equal(attribute(attributes, "kata.sandbox.id"), sandbox.id);
    assert.equal(attribute(attributes, "k8s.pod.name"), sandbox.pod.name);
    assert.equal(attribute(attributes, "k8s.namespace.name"), sandbox.pod.namespace);
    assert.equal(attribute(attributes, "k8s.pod.uid"), sandbox.pod.uid);

    const got = series(pushed);
    let compared = 0;
    for (const line of sandbox.shim?.lastPage?.toString().split("\n") ?? []) {
      const [, name = "", value = ""] = /^((?:kata_|go_|process_)\S+) (\S+)$/.exec(line) ?? [];
      if (name === "" || /_bucket\{|_(sum|count)(\{|$)|quantile=/.test(name)) continue;
      const point = got.get(name.replace(/^(go_|process_)/, "kata_shim_$1"));
      assert.equal(Number(point?.asDouble), Number(value), name);
      compared++;
    }
    assert.ok(compared > 900, `${compared} numbers compared`);

    await node.simulator.end(sandbox.id);
    const ended = await poll("the end", () =>
      resources().find((one) => series(one).get('kata_guest_tasks{item="cur"}')?.flags === NO_RECORDED_VALUE),
    );
    assert.equal(attribute(ended.resource?.attributes, "kata.sandbox.id"), sandbox.id);
  } finally {
    await node.close();
    await receiver.close();
  }
});
