// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { freePort } from "../kit/free_port.ts";
import { type SimulatedNode, startNode } from "../kit/node/simulated_node.ts";
import { hasProgram, peerIsThere } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import { type Prometheus, type Samples, startPrometheus } from "../kit/prometheus.ts";

/** An agent whose page, with timestamps, is scraped by a Prometheus to which the agent also writes. */
async function scene(context: TestContext): Promise<{ node: SimulatedNode; prometheus: Prometheus }> {
  const page = `127.0.0.1:${await freePort()}`;
  const prometheus = await startPrometheus(page, [], { takesWrites: true });
  context.after(() => prometheus.close());
  const node = await startNode({
    configure(config) {
      config.exporters = {
        prometheus: { endpoint: page, send_timestamps: true },
        prometheus_remote_write: {
          http: { endpoint: `${prometheus.url}/api/v1/write` },
          send_metadata: true,
        },
      };
      config.service.pipelines["metrics"] = {
        receivers: ["kata"],
        processors: ["cri_metadata"],
        exporters: Object.keys(config.exporters),
      };
    },
  });
  context.after(() => node.close());
  return { node, prometheus };
}

// Without a stale marker Prometheus shows a series for five minutes after its last sample, and no test waits so long.

/** Selects the samples of each way: scraped ones have the labels of a target. A page has no target_info. */
const SCRAPED = 'sandbox_id!="",job="kata"';
const WRITTEN = 'sandbox_id!="",job="",__name__!="target_info"';

/** Returns the values by time of each series, named without the labels of the target. */
function bySeries(found: readonly Samples[]): Map<string, Map<number, string>> {
  return new Map(
    found.map(({ metric: { job: _, instance: __, ...labels }, values }) => [
      JSON.stringify(Object.entries(labels).sort()),
      new Map(values),
    ]),
  );
}

test("a real Prometheus has the same series and values from remote write as from scrapes", async (context) => {
  if (!peerIsThere(context, "prometheus", hasProgram("prometheus"))) return;
  const { node, prometheus } = await scene(context);
  await poll("every sandbox to be scraped some times", async () => {
    const often = await prometheus.query(`count_over_time(kata_shim_threads{${SCRAPED}}[1m]) >= 4`);
    return often.length === node.simulator.sandboxes.size ? true : undefined;
  });
  const scraped = bySeries(await prometheus.range(`{${SCRAPED}}[1m]`));
  const pods = [...node.simulator.sandboxes.values()];
  assert.ok(scraped.size > 500 * pods.length, `${scraped.size} series`);
  await poll("what was scraped to be written as well", async () => {
    const written = bySeries(await prometheus.range(`{${WRITTEN}}[1m]`));
    for (const [series, samples] of scraped)
      for (const [seconds, value] of samples)
        if (written.get(series)?.get(seconds) !== value) return undefined;
    return true;
  });
  const written = bySeries(await prometheus.range(`{${WRITTEN}}[1m]`));
  await poll("what was written more than once to be scraped as well", async () => {
    const page = bySeries(await prometheus.range(`{${SCRAPED}}[1m]`));
    for (const [series, samples] of written) if (samples.size > 1 && !page.has(series)) return undefined;
    return true;
  });
  const joined = await prometheus.query(
    `kata_collector_sandbox_up{job=""} * on (sandbox_id) group_left (kata_runtime_handler) target_info`,
  );
  assert.deepEqual(
    new Set(joined.map(({ metric }) => metric["sandbox_id"])),
    new Set(pods.map(({ id }) => id)),
    "target_info goes with each sandbox",
  );
  assert.doesNotMatch(node.agent.stderr(), /Exporting failed/);
});

test("series end at once, with their sandbox or when it stops reporting them", async (context) => {
  if (!peerIsThere(context, "prometheus", hasProgram("prometheus"))) return;
  const { node, prometheus } = await scene(context);
  const count = async (selector: string): Promise<number> =>
    (await prometheus.query(`{${selector},job=""}`)).length;
  await poll("every sandbox to be there", async () => {
    const up = await prometheus.query('kata_collector_sandbox_up{job=""} == 1');
    return up.length === node.simulator.sandboxes.size ? true : undefined;
  });
  const [ended, failing] = node.simulator.sandboxes.values();
  assert.ok(ended !== undefined && failing !== undefined);
  await node.simulator.end(ended.id);
  await poll("the ended sandbox's series to end", async () =>
    (await count(`sandbox_id="${ended.id}"`)) === 0 ? true : undefined,
  );
  await failing.setFault("refuse");
  await poll("the series of a shim that does not answer to end", async () =>
    (await count(`sandbox_id="${failing.id}",__name__=~"kata_(shim|guest|agent).*"`)) === 0
      ? true
      : undefined,
  );
  const up = await prometheus.query(`kata_collector_sandbox_up{sandbox_id="${failing.id}",job=""}`);
  assert.deepEqual(
    up.map(({ value }) => value),
    [0],
    "and what the agent says of the sandbox goes on",
  );
  assert.doesNotMatch(node.agent.stderr(), /Exporting failed/);
});
