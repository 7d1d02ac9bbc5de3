// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { HostileShim } from "../kit/kata/hostile_shim.ts";
import { type SimulatedNode, startNode } from "../kit/node/simulated_node.ts";
import { hasProgram, peerIsThere } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import { type Prometheus, startPrometheus } from "../kit/prometheus.ts";

/** The agent's limits of a page, for which our documentation names the limits of a reader (`READER`). */
const PAGE = { page_samples: 6_200, page_bytes: 3_200_000 };
/** These limits are raised, since they would keep every page smaller than `page_bytes`. */
const GUEST = { new_bytes: "8MiB", body_bytes: "8MiB" };
const READER = {
  label_limit: 16,
  label_name_length_limit: 200,
  label_value_length_limit: 256,
  sample_limit: PAGE.page_samples,
  body_size_limit: `${PAGE.page_bytes}B`,
};

const HOST = "# TYPE kata_shim_fds gauge\nkata_shim_fds 9\n";
const LOAD = "# TYPE kata_guest_load gauge\n";
const repeat = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index)).join("");
const labels = (count: number, value: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => `l${index}="${value(index)}"`).join(",");

interface Row {
  /** Makes the guest's part of the page of a scrape. */
  guest(scrape: number): string;
  /** Prometheus' error on the page of an agent without limits; if left out, it accepts that page. */
  readonly refusal?: RegExp;
}

/** Pages with which a guest could make Prometheus refuse the page of the whole node. */
const PAGES: Readonly<Record<string, Row>> = {
  "many labels": {
    guest: () => `${LOAD}kata_guest_load{${labels(30, () => "x")}} 1\n`,
    refusal: /label_limit exceeded/,
  },
  "a long value": {
    guest: () => `${LOAD}kata_guest_load{item="${"x".repeat(2_000)}"} 1\n`,
    refusal: /label value is too long|label_value_length_limit exceeded/,
  },
  "a long name of a label": {
    guest: () => `${LOAD}kata_guest_load{${"x".repeat(2_000)}="1"} 1\n`,
    refusal: /label_name_length_limit exceeded/,
  },
  "a long name of a family": {
    guest: () => `kata_guest_${"x".repeat(2_000)} 1\n`,
    refusal: /label_value_length_limit exceeded/,
  },
  "labels that are called as the agent's own": {
    guest: () =>
      `${LOAD}kata_guest_load{job="a",instance="b",exported_job="c",le="d",quantile="e",pod="f",namespace="g",node="h"} 1\n`,
  },
  "many samples": {
    guest: () => LOAD + repeat(9_000, (i) => `kata_guest_load{item="${i}"} ${i}\n`),
    refusal: /sample limit exceeded/,
  },
  "many samples of unknown families": {
    guest: () => repeat(900, (i) => `kata_guest_new_${i}{item="a"} 1\nkata_guest_new_${i}{item="b"} 2\n`),
  },
  "new series each time": {
    guest: (scrape) => LOAD + repeat(2_900, (i) => `kata_guest_load{item="${scrape}_${i}"} ${i}\n`),
  },
  "four megabytes": {
    guest: () =>
      LOAD + repeat(2_900, (i) => `kata_guest_load{item="${i}",${labels(5, () => "x".repeat(250))}} ${i}\n`),
    refusal: /body size limit exceeded/,
  },
  "escapes, each of which is two bytes": {
    guest: () =>
      LOAD +
      repeat(2_900, (i) => `kata_guest_load{item="${i}",${labels(2, () => '\\"'.repeat(250))}} ${i}\n`),
    refusal: /body size limit exceeded/,
  },
  "families twice, and with other types": {
    guest: () =>
      `${LOAD}kata_guest_load 1\n# TYPE kata_guest_load histogram\nkata_guest_load_bucket{le="+Inf"} 1\n${LOAD}kata_guest_load 2\nkata_guest_load 3\n`,
  },
  times: { guest: () => `${LOAD}kata_guest_load 1 1\nkata_guest_load{item="a"} 1 99999999999999\n` },
  "histograms of a thousand buckets": {
    guest: () =>
      repeat(
        9,
        (at) =>
          `# TYPE kata_guest_h${at} histogram\n${repeat(1_000, (i) => `kata_guest_h${at}_bucket{le="${i}"} ${i}\n`)}` +
          `kata_guest_h${at}_bucket{le="+Inf"} 1000\nkata_guest_h${at}_sum 1\nkata_guest_h${at}_count 1000\n`,
      ),
  },
  "a long help, and noise": {
    guest: () =>
      `# HELP kata_guest_load ${"é".repeat(7_000)}\n${LOAD}kata_guest_load 1\n{{{{\n\u0000\n${"x".repeat(100_000)}\n# EOF\n`,
  },
};

interface Scene {
  readonly node: SimulatedNode;
  readonly prometheus: Prometheus;
  /** Returns the number of samples that Prometheus has of each honest sandbox. */
  honest(): Promise<readonly number[]>;
  /** Adds a sandbox with such pages, waits until Prometheus has scraped the agent twice since, and then runs `play`. */
  withGuest(row: Row, play: (id: string) => Promise<void>): Promise<void>;
}

async function withLimitedPrometheus(
  limits: { readonly guest: Record<string, unknown>; readonly page: Record<string, unknown> },
  play: (scene: Scene) => Promise<void>,
): Promise<void> {
  const node = await startNode({
    simulator: { sandboxes: 2, flavor: "go" },
    configure({ receivers, processors, exporters }) {
      // The runtime does not know the pod of the hostile sandbox.
      Object.assign(processors["cri_metadata"] ?? {}, { wait: "100ms" });
      // All labels of guests are let through, so that only the limits act.
      Object.assign(receivers["kata"] ?? {}, { guest_labels: ["*"], limits: limits.guest });
      Object.assign(exporters["prometheus"] ?? {}, { limits: limits.page });
    },
  });
  const prometheus = await startPrometheus(node.listenAddress, [], { limits: READER });
  const ids = [...node.simulator.sandboxes.keys()];
  let guests = 0;
  try {
    await play({
      node,
      prometheus,
      honest: async () => {
        const counts = await Promise.all(ids.map((id) => prometheus.query(`count({sandbox_id="${id}"})`)));
        return counts.map(([one]) => one?.value ?? 0);
      },
      async withGuest({ guest }, play) {
        const id = `hostile_${guests++}`;
        await using shim = new HostileShim({ root: node.simulator.goRoot, id, flavor: "go" });
        shim.serve((request) => {
          const body = Buffer.from(HOST + guest(request));
          const head = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`;
          return { trick: "none", pieces: [Buffer.from(head), body], afterwards: "end" };
        });
        await shim.start();
        await poll("the agent's scrapes", () => shim.requests >= 2 || undefined);
        for (let scrapes = 0; scrapes < 2; scrapes++) {
          const before = await prometheus.lastScrape();
          const isNext = async () => (await prometheus.lastScrape()) !== before || undefined;
          await poll("a scrape by Prometheus", isNext);
        }
        await play(id);
      },
    });
  } finally {
    await prometheus.close();
    await node.close();
  }
}

test("whatever one guest sends, a Prometheus with limits accepts the page and has every sample of the others", async (context) => {
  if (!peerIsThere(context, "prometheus", hasProgram("prometheus"))) return;
  await withLimitedPrometheus({ guest: GUEST, page: PAGE }, async (scene) => {
    const { node, prometheus, honest, withGuest } = scene;
    const alone = await poll("the honest sandboxes", async () => {
      const counts = await honest();
      return counts.every((count) => count > 1_000) ? counts : undefined;
    });
    for (const [what, row] of Object.entries(PAGES)) {
      await withGuest(row, async (id) => {
        assert.deepEqual(await prometheus.target(), { health: "up", lastError: "" }, what);
        assert.deepEqual(await honest(), alone, what);
        const own = await prometheus.query(`kata_collector_sandbox_up{sandbox_id="${id}"} == 1`);
        assert.equal(own.length, 1, what);
        assert.ok((await node.page()).length <= PAGE.page_bytes, what);
      });
    }
    const up = await prometheus.query("min_over_time(up[1h])");
    assert.deepEqual(
      up.map(({ value }) => value),
      [1],
      "not one scrape was refused",
    );
    const limits = await prometheus.query(
      'count by (limit) (last_over_time(kata_collector_sandbox_limited{sandbox_id=~"hostile.*"}[1h]))',
    );
    const named = limits.map(({ metric }) => metric["limit"]);
    for (const limit of ["labels", "label_value_bytes", "name_bytes", "samples", "page_bytes"])
      assert.ok(named.includes(limit), `${limit} is not among ${named}`);
  });
});

test("the same Prometheus refuses the page of the whole node if the agent has no limits", async (context) => {
  if (!peerIsThere(context, "prometheus", hasProgram("prometheus"))) return;
  const guest = {
    ...{
      labels: 1_000,
      label_value_bytes: "1MiB",
      name_bytes: "1MiB",
      samples: 1_000_000,
      series: 1_000_000,
    },
    ...{ body_bytes: "16MiB", new_bytes: "16MiB", line_bytes: "1MiB", blocks: 100_000 },
    ...{ new_samples_per_minute: 1_000_000, layout_bytes_per_sandbox: "256MiB", layout_bytes: "256MiB" },
  };
  await withLimitedPrometheus({ guest, page: { page_samples: 0, page_bytes: 0 } }, async (scene) => {
    const { prometheus, honest, withGuest } = scene;
    for (const [what, row] of Object.entries(PAGES)) {
      const { refusal } = row;
      if (refusal === undefined) continue;
      await withGuest(row, async () => {
        const { health, lastError } = await prometheus.target();
        assert.equal(health, "down", what);
        assert.match(lastError, refusal, what);
        assert.deepEqual(await honest(), [0, 0], what);
      });
    }
  });
});
