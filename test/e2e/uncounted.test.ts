// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createPage } from "../../src/simulator/pages.ts";
import { HostileShim } from "../kit/kata/hostile_shim.ts";
import { startNode } from "../kit/node/simulated_node.ts";
import { startForeignParsers } from "../kit/page_parsers/foreign_parsers.ts";
import { goOnWithout } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import { pull } from "../kit/pulled_page.ts";

/** Values that a vendor's shim may send although its types do not allow them, and for which strict readers refuse a page. */
const VENDOR = [
  "# TYPE vendor_jobs_total counter",
  'vendor_jobs_total{item="good"} 7',
  'vendor_jobs_total{item="negative"} -7',
  'vendor_jobs_total{item="none"} NaN',
  'vendor_jobs_total{item="endless"} +Inf',
  "# TYPE vendor_oil_created gauge",
  "vendor_oil_created 2",
  "# TYPE vendor_oil_total counter",
  "vendor_oil_total 1",
  "# TYPE vendor_jobs_total gauge",
  "",
].join("\n");

function answerWith(page: Buffer): Buffer[] {
  return [Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${page.length}\r\n\r\n`), page];
}

/** Returns the family's values in a file of OTLP/JSON, by item, and whether each metric was a monotonic sum. */
function pushedJobs(path: string): Map<string, number> {
  const pushed = new Map<string, number>();
  for (const line of readFileSync(path, "utf8").split("\n").slice(0, -1)) {
    for (const { scopeMetrics } of JSON.parse(line).resourceMetrics) {
      for (const { name, sum } of scopeMetrics[0].metrics) {
        if (name !== "vendor_jobs_total") continue;
        assert.equal(sum.isMonotonic, true);
        for (const { attributes, asDouble, flags } of sum.dataPoints)
          if (flags !== 1) pushed.set(attributes[0].value.stringValue, asDouble);
      }
    }
  }
  return pushed;
}

test("values that are impossible for a counter are on the text page, and neither in OpenMetrics nor in OTLP", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "uncounted-"));
  const path = join(folder, "metrics.json");
  const node = await startNode({
    simulator: { sandboxes: 1, flavor: "go" },
    configure(config) {
      Object.assign(config.receivers["kata"] ?? {}, { shim_families: ["vendor_*"] });
      config.exporters["file"] = { path, flush_interval: "1ms" };
      const { metrics } = config.service.pipelines;
      if (metrics !== undefined) metrics["exporters"] = ["prometheus", "file"];
      Object.assign(config.processors["cri_metadata"] ?? {}, { wait: "100ms" });
    },
  });
  const shim = new HostileShim({ root: node.simulator.goRoot, id: "f".repeat(64), flavor: "go" });
  const foreign = await startForeignParsers();
  try {
    goOnWithout(context, foreign.missing);
    const page = Buffer.concat([
      createPage({ flavor: "go", seed: 1 }).renderWithoutAgent(),
      Buffer.from(VENDOR),
    ]);
    shim.serve(() => ({ trick: "none", pieces: answerWith(page), afterwards: "end" }));
    await shim.start();
    const text = await poll("the vendor's numbers on the page", async () => {
      const { body } = await pull(node.listenAddress, "text");
      return body.includes("vendor_jobs_total{") ? body : undefined;
    });
    const jobs = (body: string): string[] =>
      [...body.matchAll(/^vendor_jobs_total\{item="(\w+)".* (\S+)$/gm)].map(
        ([, item, value]) => `${item} ${value}`,
      );
    assert.deepEqual(jobs(text), ["good 7", "negative -7", "none NaN", "endless +Inf"]);
    // The last TYPE line comes after its family's samples.
    assert.match(text, /^kata_collector_sandbox_bad_lines\{sandbox_id="f+".* 1$/m);

    const { body } = await pull(node.listenAddress, "openmetrics");
    assert.deepEqual(jobs(body), ["good 7"]);
    assert.match(body, /^# TYPE vendor_jobs counter$/m);
    assert.match(body, /^# TYPE vendor_oil_total unknown\nvendor_oil_total\{/m);
    for (const parser of foreign.parsers)
      for (const format of parser.formats) {
        const { fault } = await parser.judge(format === "text" ? text : body, format);
        assert.equal(fault, null, parser.name);
      }

    await poll("the numbers in the file", () => (pushedJobs(path).size > 0 ? true : undefined));
    assert.deepEqual([...pushedJobs(path)], [["good", 7]]);
    assert.match(node.agent.stderr(), /warn\tPoints are left out: .*vendor_jobs_total.*not_a_count/);
  } finally {
    await foreign.close();
    await shim.close();
    await node.close();
    await rm(folder, { recursive: true });
  }
});
