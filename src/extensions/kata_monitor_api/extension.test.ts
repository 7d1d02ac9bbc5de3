// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { testSettings } from "../../../test/kit/component/settings.ts";
import { sandboxStatus } from "../../../test/kit/kata/sandbox_status.ts";
import { poll } from "../../../test/kit/poll.ts";
import { systemClock } from "../../clock/clock.ts";
import type { Settings } from "../../component/component.ts";
import { METRICS_PAGES, type MetricsPage, type PullOptions } from "../../http_server/metrics_page.ts";
import { answerText } from "../../http_server/server.ts";
import { SANDBOX_SOURCES, type SandboxSource } from "../../kata/sandboxes.ts";
import { Interner } from "../../metrics/interner.ts";
import type { Reading } from "../../metrics/model.ts";
import { createHost } from "../../pipeline/host.ts";
import { KataMonitorApi } from "./extension.ts";
import { factory } from "./factory.ts";

const ID = "a".repeat(64);
const DEAD = "d".repeat(64);

/** One sandbox that answers, and one that exists but does not answer. */
const SOURCE: SandboxSource = {
  sandboxes: () => [sandboxStatus(ID), sandboxStatus(DEAD, { hasShim: false })],
  roots: () => ["/run/vc/sbs"],
  owns: () => false,
  lastScrape(id) {
    if (id === DEAD) return { ok: false, reason: STALE };
    return id === ID ? { ok: true, reading: scraped(), ageMs: 2_999 } : undefined;
  },
  rawPage(id) {
    if (id === DEAD) return Promise.reject(new Error(STALE));
    return id === ID ? Promise.resolve({ bytes: Buffer.from("noise {{{"), ageMs: 1_000 }) : undefined;
  },
  agentUrl(id) {
    if (id === DEAD) return Promise.reject(new Error(STALE));
    return id === ID ? Promise.resolve("vsock://3:1024") : undefined;
  },
};
const STALE = "the sandbox is stale: nobody listens";

/** The result of a shim's last scrape: families, of which one has this many series. */
function scraped(series = 2, more = ""): Reading {
  const interner = new Interner();
  const points = Array.from({ length: series }, (_, i) => ({
    attributes: [{ key: "item", value: `${i}"${more}` }],
    bounds: [],
    boundTexts: [],
  }));
  const schema = interner.schema([
    interner.family({
      name: "go_threads",
      kind: "gauge",
      unit: "",
      help: "Threads.",
      points: [{ attributes: [], bounds: [], boundTexts: [] }],
    }),
    interner.family({ name: "kata_guest_load", kind: "gauge", unit: "", help: "", points }),
  ]);
  const resource = { key: "kata/a", attributes: [{ key: "kata.sandbox.id", value: ID }] };
  return { resource, schema, values: new Float64Array(schema.width).fill(9), timeMs: 1, startMs: 0 };
}

interface Scene {
  readonly settings: Settings;
  /** The options of the last pull of the page. */
  readonly pulls: PullOptions[];
  /** Takes the exporter's page away. */
  withdrawPage(): void;
  get(
    path: string,
    headers?: Record<string, string>,
  ): Promise<{ status: number; type: string; text: string }>;
  /** The address, for who asks in another way. */
  readonly url: string;
}

async function scene(
  context: TestContext,
  {
    fail = false,
    config = {},
    source = SOURCE,
  }: { fail?: boolean; config?: object; source?: SandboxSource } = {},
): Promise<Scene> {
  const host = createHost();
  const settings: Settings = testSettings({ id: "kata_monitor_api", clock: systemClock, host });
  const extension = factory.create(factory.schema.parse({ endpoint: "127.0.0.1:0", ...config }), settings);
  assert.ok(extension instanceof KataMonitorApi);
  const pulls: PullOptions[] = [];
  const page: MetricsPage = {
    async answer(_request, response, _signal, options) {
      pulls.push(options);
      if (fail) throw new Error("the puller has gone");
      answerText(response, 200, "page");
    },
  };
  const withdrawPage = host.single(METRICS_PAGES).add("prometheus", page);
  host.single(SANDBOX_SOURCES).add("kata", source);
  await extension.start();
  context.after(() => extension.shutdown(AbortSignal.abort()));
  const { address } = extension;
  assert.ok("port" in address);
  return {
    settings,
    pulls,
    withdrawPage,
    url: `http://127.0.0.1:${address.port}`,
    async get(path, headers = {}) {
      const response = await fetch(`http://127.0.0.1:${address.port}${path}`, { headers });
      const text = await response.text();
      return { status: response.status, type: response.headers.get("content-type") ?? "", text };
    },
  };
}

/** The reading's values by family, of the families with one number. */
function numbers({ schema, values }: Reading): Record<string, number> {
  const single = schema.families.map(
    ({ name, width }, index) => [name, width, schema.offsets[index] ?? 0] as const,
  );
  return Object.fromEntries(
    single.filter(([, width]) => width === 1).map(([name, , offset]) => [name, values[offset] ?? Number.NaN]),
  );
}

test("/sandboxes lists those whose shims run, /sandboxes?verbose all", async (context) => {
  const { get } = await scene(context);
  assert.deepEqual(await get("/sandboxes"), {
    status: 200,
    type: "text/plain; charset=utf-8",
    text: `${ID}\n`,
  });
  const html = await get("/sandboxes", { accept: "text/html,application/xhtml+xml" });
  assert.equal(html.type, "text/html; charset=utf-8");
  assert.ok(html.text.includes(ID) && !html.text.includes(DEAD));
  assert.ok((await get("/sandboxes?verbose")).text.includes(DEAD));
});

test("/metrics is the exporter's page with kata-monitor's own families, unless families are chosen", async (context) => {
  const { get, pulls } = await scene(context);
  assert.equal((await get("/metrics")).text, "page\n");
  await get("/metrics?filter_family=kata_shim_,,kata_guest_load");
  await get("/metrics?filter_family=");
  await get("/metrics?sandbox=");
  assert.deepEqual(
    pulls.map(({ prefixes, own = [] }) => prefixes ?? own.length),
    [1, ["kata_shim_", "kata_guest_load"], 1, 1],
  );
  const [own] = pulls.at(-1)?.own ?? [];
  assert.ok(own !== undefined);
  const got = numbers(own);
  assert.equal(got["kata_monitor_running_shim_count"], 1);
  assert.equal(got["kata_monitor_scrape_count"], 4);
  assert.equal(got["kata_monitor_scrape_failed_count"], 0);
  assert.ok((got["kata_monitor_process_resident_memory_bytes"] ?? 0) > 1e6);
  const durations = own.schema.families.findIndex(({ kind }) => kind === "histogram");
  const { name, width } = own.schema.families[durations] ?? assert.fail();
  assert.equal(name, "kata_monitor_scrape_durations_histogram_milliseconds");
  const offset = own.schema.offsets[durations] ?? 0;
  assert.equal(own.values[offset + width - 1], 3, "three requests were answered before this one");
  assert.equal(own.values[offset + width - 3], 3, "all of them are within +Inf");
});

test("a pull that is broken off is a failed scrape", async (context) => {
  const { get, pulls } = await scene(context, { fail: true });
  await assert.rejects(get("/metrics"));
  await assert.rejects(get("/metrics"));
  const [own] = pulls.at(-1)?.own ?? [];
  assert.equal(numbers(own ?? assert.fail())["kata_monitor_scrape_failed_count"], 1);
});

test("one sandbox has its last scrape as its page, and nothing but a known id is taken for one", async (context) => {
  const { get, url } = await scene(context);
  const page = `# HELP go_threads Threads.
# TYPE go_threads gauge
go_threads 9
# TYPE kata_guest_load gauge
kata_guest_load{item="0\\""} 9
kata_guest_load{item="1\\""} 9
`;
  assert.deepEqual(await get(`/metrics?sandbox=${ID}`), {
    status: 200,
    type: "text/plain; charset=utf-8",
    text: page,
  });
  const { headers } = await fetch(`${url}/metrics?sandbox=${ID}`, { method: "HEAD" });
  assert.deepEqual([headers.get("age"), headers.get("content-type")], ["2", "text/plain; charset=utf-8"]);
  assert.equal((await get(`/agent-url?sandbox=${ID}`)).text, "vsock://3:1024\n");
  const refused = { status: 500, type: "text/plain; charset=utf-8", text: `${STALE}\n` };
  assert.deepEqual(await get(`/metrics?sandbox=${DEAD}`), refused);
  assert.deepEqual(await get(`/agent-url?sandbox=${DEAD}`), { ...refused, status: 400 });
  assert.equal((await get("/agent-url")).status, 400);
  for (const id of [
    `../${ID}`,
    `${ID}/`,
    `..%2f..%2fetc`,
    "%00",
    "<script>alert(1)</script>",
    `${ID}%0d%0aX: 1`,
  ]) {
    assert.equal((await get(`/agent-url?sandbox=${id}`)).status, 400, id);
    const answer = await get(`/metrics?sandbox=${id}`);
    assert.deepEqual([answer.status, answer.text], [500, "there is no such sandbox\n"], id);
  }
});

test("a large page of one sandbox comes whole, and not more than eight are written at a time", async (context) => {
  const reading = scraped(20_000, "x".repeat(1_000));
  const source: SandboxSource = { ...SOURCE, lastScrape: () => ({ ok: true, reading, ageMs: 0 }) };
  const { get, url } = await scene(context, { source });
  assert.equal((await get(`/metrics?sandbox=${ID}`)).text.match(/\n/g)?.length, 20_000 + 4);
  const leaving = new AbortController();
  const open = (): Promise<Response> => fetch(`${url}/metrics?sandbox=${ID}`, { signal: leaving.signal });
  // Nobody reads their bodies.
  const held = await Promise.all(Array.from({ length: 8 }, open));
  assert.deepEqual(new Set(held.map(({ status }) => status)), new Set([200]));
  const ninth = await fetch(`${url}/metrics?sandbox=${ID}`);
  assert.deepEqual([ninth.status, ninth.headers.get("retry-after")], [503, "1"]);
  await ninth.text();
  leaving.abort();
  await poll("room for another", async () => {
    const { status } = await get(`/metrics?sandbox=${ID}`);
    return status === 200 || undefined;
  });
});

test("the bytes of a shim are shown only where the config says so", async (context) => {
  const off = await scene(context);
  const refused = await off.get(`/metrics?sandbox=${ID}&raw`);
  assert.equal(refused.status, 403);
  assert.match(refused.text, /set extensions::kata_monitor_api::raw_pages/);

  const { get, url } = await scene(context, { config: { raw_pages: true } });
  const raw = await fetch(`${url}/metrics?sandbox=${ID}&raw`);
  assert.deepEqual([raw.status, raw.headers.get("age"), await raw.text()], [200, "1", "noise {{{"]);
  assert.equal(raw.headers.get("x-content-type-options"), "nosniff");
  assert.deepEqual((await get(`/metrics?sandbox=${DEAD}&raw`)).status, 500);
  assert.equal((await get("/metrics?sandbox=x&raw")).text, "there is no such sandbox\n");
  assert.match((await get(`/metrics?sandbox=${ID}`)).text, /^# HELP go_threads/);
});

test("paths that change a sandbox or look into its shim do not exist", async (context) => {
  const { get } = await scene(context);
  for (const path of [
    "/debug/pprof/",
    "/debug/vars",
    "/iptables",
    "/ip6tables",
    "/policy",
    "/direct-volume/stats",
    "/direct-volume/resize",
  ])
    assert.equal((await get(`${path}?sandbox=${ID}`)).status, 404, path);
});

test("without an exporter there is no page, and the rest works", async (context) => {
  const { get, withdrawPage } = await scene(context);
  withdrawPage();
  assert.equal((await get("/metrics")).status, 503);
  assert.equal((await get("/sandboxes")).status, 200);
});
