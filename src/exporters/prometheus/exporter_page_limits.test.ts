// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { type LogLine, recordedLogger } from "../../../test/kit/component/logs.ts";
import { testSettings } from "../../../test/kit/component/settings.ts";
import { Interner } from "../../metrics/interner.ts";
import type { Reading } from "../../metrics/model.ts";
import { PrometheusExporter } from "./exporter.ts";
import { factory } from "./factory.ts";

const interner = new Interner();

/** A reading of the sandbox whose guest's one family has so many series, with a label value of so many bytes. */
function reading(id: string, series: number, valueBytes = 1): Reading {
  const points = Array.from({ length: series }, (_, index) => ({
    attributes: [
      { key: "item", value: `number_${index}` },
      { key: "more", value: "x".repeat(valueBytes) },
    ],
    bounds: [],
    boundTexts: [],
  }));
  const spec = { kind: "gauge", unit: "", help: "" } as const;
  const schema = interner.schema([
    interner.family({ ...spec, name: "kata_shim_fds", points: points.slice(0, 1) }),
    interner.family({ ...spec, name: "kata_guest_new", points }),
  ]);
  const attributes = Object.entries({
    "kata.sandbox.id": id,
    "k8s.pod.name": `pod-${id}`,
    "k8s.namespace.name": "shop",
  });
  return {
    resource: { key: `kata/${id}`, attributes: attributes.map(([key, value]) => ({ key, value })) },
    schema,
    values: new Float64Array(schema.width),
    timeMs: 1_700_000_000_000,
    startMs: 0,
  };
}

interface Serving {
  readonly lines: readonly LogLine[];
  page(headers?: Record<string, string>): Promise<string>;
}

async function serve(
  context: TestContext,
  limits: Record<string, unknown>,
  readings: readonly Reading[],
): Promise<Serving> {
  const { logger, lines } = recordedLogger();
  const exporter = factory.create(
    factory.schema.parse({ endpoint: "127.0.0.1:0", limits }),
    testSettings({ id: "prometheus", logger, interner }),
  );
  assert.ok(exporter instanceof PrometheusExporter);
  context.after(() => exporter.shutdown(AbortSignal.abort()));
  await exporter.start();
  for (const one of readings) exporter.consume(one);
  const { address } = exporter;
  const port = "port" in address ? address.port : assert.fail();
  return {
    lines,
    async page(headers = {}) {
      const sent = request({ host: "127.0.0.1", port, path: "/metrics", headers, agent: false }).end();
      const [response] = (await once(sent, "response")) as [IncomingMessage];
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks);
      return (response.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body).toString();
    },
  };
}

const samplesIn = (page: string): number => page.match(/^[^#].*$/gm)?.length ?? 0;
const warnings = (lines: readonly LogLine[]) =>
  lines
    .filter(({ level }) => Number(level) >= 40)
    .map(({ pod, sandbox, limit, option, msg }) => [pod ?? sandbox, limit, option, msg]);

test("a sandbox that has too much of the page is cut in each format, and the log says so once, with the pod and the option", async (context) => {
  const readings = [reading("a", 1_800), reading("b", 1_800), reading("bad", 3_000)];
  const { page, lines } = await serve(context, { page_samples: 6_000 }, readings);
  const openMetrics = { accept: "application/openmetrics-text;version=1.0.0" };
  for (const headers of [
    {},
    openMetrics,
    { "accept-encoding": "gzip" },
    { "accept-encoding": "gzip", ...openMetrics },
  ]) {
    const text = await page(headers);
    assert.equal(samplesIn(text), 2 * 1_801 + 2);
    assert.match(text, /^kata_collector_sandbox_limited\{limit="page_samples",sandbox_id="bad",.*\} 1$/m);
  }
  assert.deepEqual(warnings(lines), [
    [
      "shop/pod-bad",
      "page_samples",
      "exporters::prometheus::limits::page_samples",
      "Sandbox has too much of the page; families of its guest are left out.",
    ],
  ]);
});

test("a limit that honest sandboxes exceed cuts none of them, and the log says once that it is too small", async (context) => {
  const readings = Array.from({ length: 5 }, (_, i) => reading(`s${i}`, 1_800));
  const { page, lines } = await serve(context, { page_samples: 5_000, page_bytes: "100KiB" }, readings);
  for (let pull = 0; pull < 3; pull++) assert.equal(samplesIn(await page()), 5 * 1_801);
  assert.deepEqual(
    warnings(lines).map(([, limit, option]) => [limit, option]),
    ["page_samples", "page_bytes"].map((limit) => [limit, `exporters::prometheus::limits::${limit}`]),
  );
});

test("without an option a page has 16 MB at the most, or what honest sandboxes need; 0 is no limit", async (context) => {
  const bad = reading("bad", 9_000, 2_000);
  const cut = await serve(context, {}, [reading("a", 1_800), bad]);
  assert.equal(samplesIn(await cut.page()), 1_801 + 2);
  assert.deepEqual(
    warnings(cut.lines).map(([, limit]) => limit),
    ["page_bytes"],
  );

  const whole = await serve(context, { page_bytes: 0 }, [reading("a", 1_800), bad]);
  assert.equal(samplesIn(await whole.page()), 1_801 + 9_001);

  const many = Array.from({ length: 40 }, (_, i) => reading(`s${i}`, 1_900, 110));
  const honest = await serve(context, {}, many);
  const text = await honest.page();
  assert.ok(text.length > 16_000_000);
  assert.equal(samplesIn(text), 40 * 1_901);
  assert.deepEqual(warnings(honest.lines), []);
});
