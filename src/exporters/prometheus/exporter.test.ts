// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { pino } from "pino";
import { testSettings } from "../../../test/kit/component/settings.ts";
import { type Clock, systemClock } from "../../clock/clock.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import { Interner } from "../../metrics/interner.ts";
import type { Reading } from "../../metrics/model.ts";
import { PrometheusExporter } from "./exporter.ts";
import { factory } from "./factory.ts";

const interner = new Interner();

/** A reading with so many series of one gauge. */
function reading(id: string, { value = 1, series = 1, name = "m" } = {}): Reading {
  const points = Array.from({ length: series }, (_, index) => ({
    attributes: series === 1 ? [] : [{ key: "item", value: `number_${index}` }],
    bounds: [],
    boundTexts: [],
  }));
  return {
    resource: { key: `kata/${id}`, attributes: [{ key: "kata.sandbox.id", value: id }] },
    schema: interner.schema([interner.family({ name, kind: "gauge", unit: "", help: "", points })]),
    values: new Float64Array(series).fill(value),
    timeMs: 1_700_000_000_000,
    startMs: 0,
  };
}

function labels(id: string): string {
  return `sandbox_id="${id}",cri_uid="",cri_name="",cri_namespace=""`;
}

interface Serving {
  readonly exporter: PrometheusExporter;
  readonly port: number;
  readonly logged: { msg: string; level: number; [field: string]: unknown }[];
  /** The sum of a counter over all attributes, or those of one outcome. */
  count(name: string, outcome?: string): Promise<number>;
}

/** A started exporter on a free port, which ends with the test. */
async function serve(
  context: TestContext,
  config: Record<string, unknown> = {},
  clock: Clock = new FakeClock(),
): Promise<Serving> {
  const logged: Serving["logged"] = [];
  const logger = pino({ base: null }, { write: (line: string) => logged.push(JSON.parse(line)) });
  const memory = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter: memory, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  const exporter = factory.create(
    factory.schema.parse({ endpoint: "127.0.0.1:0", ...config }),
    testSettings({ id: "prometheus", logger, meter: provider.getMeter("test"), clock, interner }),
  );
  assert.ok(exporter instanceof PrometheusExporter);
  context.after(async () => {
    await exporter.shutdown(AbortSignal.abort());
    await provider.shutdown();
  });
  await exporter.start();
  const { address } = exporter;
  return {
    exporter,
    port: "port" in address ? address.port : -1,
    logged,
    async count(name, outcome) {
      await reader.forceFlush();
      const metrics =
        memory
          .getMetrics()
          .at(-1)
          ?.scopeMetrics.flatMap((scope) => scope.metrics) ?? [];
      const points = metrics.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? [];
      return points
        .filter(({ attributes }) => outcome === undefined || attributes["outcome"] === outcome)
        .reduce((sum, { value }) => sum + Number(value), 0);
    },
  };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
}

interface Pull {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

/** The response's head has come; its body is not read until somebody reads it. */
async function open(
  target: number | string,
  { path = "/metrics", method = "GET", headers = {} }: Pull = {},
): Promise<IncomingMessage> {
  const where = typeof target === "number" ? { host: "127.0.0.1", port: target } : { socketPath: target };
  const sent = request({ ...where, path, method, headers, agent: false }).end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return response;
}

async function read(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const plain = response.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body,
    text: plain.toString("utf8"),
  };
}

async function get(target: number | string, pull: Pull = {}): Promise<Answer> {
  return await read(await open(target, pull));
}

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!(await condition())) {
    assert.ok(performance.now() < deadlineMs, `waited in vain for ${what}`);
    await sleep(5);
  }
}

const GZIP = { headers: { "Accept-Encoding": "gzip" } };
const OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

test("the page shows the latest reading of each sandbox, until it ends", async (context) => {
  const { exporter, port } = await serve(context);
  exporter.consume(reading("s1"));
  const second = reading("s2");
  exporter.consume(second);
  exporter.consume(reading("s1", { value: 2 }));
  const both = await get(port);
  assert.equal(both.status, 200);
  assert.equal(both.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
  assert.equal(both.text, `# TYPE m gauge\nm{${labels("s1")}} 2\nm{${labels("s2")}} 1\n`);

  exporter.end({ resource: second.resource, timeMs: 0 });
  assert.equal((await get(port)).text, `# TYPE m gauge\nm{${labels("s1")}} 2\n`);
});

test("gzip holds the same page", async (context) => {
  const { exporter, port } = await serve(context);
  for (let i = 0; i < 50; i++) exporter.consume(reading(`s${i}`, { series: 200, value: i }));
  const plain = await get(port);
  const gzip = await get(port, GZIP);
  assert.equal(gzip.headers["content-encoding"], "gzip");
  assert.equal(gzip.headers["vary"], "Accept, Accept-Encoding");
  assert.ok(gzip.text === plain.text);
  assert.ok(gzip.body.length * 10 < plain.body.length, "it is a tenth at most");
});

test("a puller that asks for OpenMetrics gets it, if it is enabled", async (context) => {
  const { exporter, port } = await serve(context);
  exporter.consume(reading("s1"));
  const { headers, text } = await get(port, { headers: { Accept: OPEN_METRICS } });
  assert.equal(headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
  assert.ok(text.endsWith("# EOF\n"));

  const without = await serve(context, { enable_open_metrics: false });
  const answer = await get(without.port, { headers: { Accept: OPEN_METRICS } });
  assert.equal(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
});

test("HEAD gets headers only; other methods and paths are refused", async (context) => {
  const { exporter, port } = await serve(context, { path: "/m" });
  exporter.consume(reading("s1"));
  const head = await get(port, { path: "/m", method: "HEAD" });
  assert.deepEqual([head.status, head.text], [200, ""]);
  assert.equal(head.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");

  const post = await get(port, { path: "/m?x=1", method: "POST" });
  assert.deepEqual([post.status, post.headers["allow"]], [405, "GET, HEAD"]);
  const elsewhere = await get(port, { path: "/metrics" });
  assert.deepEqual([elsewhere.status, elsewhere.headers["content-type"]], [404, "text/plain; charset=utf-8"]);
  assert.match((await get(port, { path: "/" })).text, /<a href="\/m">/);
});

test("pullers that come together share one compression, and later ones too while nothing changes", async (context) => {
  const clock = new FakeClock();
  const { exporter, port, count } = await serve(context, {}, clock);
  const compressions = () => count("otelcol_exporter_prometheus_compressed_pages");
  for (let i = 0; i < 20; i++) exporter.consume(reading(`s${i}`, { series: 1_000 }));

  const pages = await Promise.all([get(port, GZIP), get(port, GZIP), get(port, GZIP)]);
  assert.ok(pages.every(({ body }) => body.equals(pages[0]?.body as Buffer)));
  assert.equal(await compressions(), 1);
  await get(port, GZIP);
  assert.equal(await compressions(), 1);

  exporter.consume(reading("s0", { series: 1_000, value: 2 }));
  assert.match((await get(port, GZIP)).text, /sandbox_id="s0",.*\} 2\n/);
  assert.equal(await compressions(), 2);
  await clock.advance(1_000);
  await get(port, GZIP);
  assert.equal(await compressions(), 3, "what is done is not kept");
  await get(port, { headers: { ...GZIP.headers, Accept: OPEN_METRICS } });
  assert.equal(await compressions(), 4, "another format is another page");
});

test("a running compression is joined when numbers change, but not when a sandbox ends", async (context) => {
  const { exporter, port, count } = await serve(context);
  const readings = Array.from({ length: 100 }, (_, i) => reading(`s${i}`, { series: 5_000 }));
  for (const one of readings) exporter.consume(one);
  const first = await open(port, GZIP);
  exporter.consume(reading("s0", { series: 5_000, value: 2 }));
  const second = await open(port, GZIP);
  exporter.end({ resource: (readings[1] as Reading).resource, timeMs: 0 });
  const third = await open(port, GZIP);
  const [one, joined, afterEnd] = await Promise.all([first, second, third].map(read));
  assert.ok(one?.body.equals(joined?.body as Buffer));
  assert.ok(one?.text.includes(labels("s1")));
  assert.ok(!afterEnd?.text.includes(labels("s1")));
  assert.equal(await count("otelcol_exporter_prometheus_compressed_pages"), 2);
});

test("when all its pullers have left, a compression ends, and the next pull begins a new one", async (context) => {
  const { exporter, port, count } = await serve(context);
  for (let i = 0; i < 100; i++) exporter.consume(reading(`s${i}`, { series: 5_000 }));
  const left = await open(port, GZIP);
  left.destroy();
  await until("the pull to be cut", async () => {
    return (await count("otelcol_exporter_prometheus_pulls", "cut")) === 1;
  });
  assert.ok((await get(port, GZIP)).text.includes(labels("s99")));
  assert.equal(await count("otelcol_exporter_prometheus_compressed_pages"), 2);
});

test("a puller that does not read holds up no other, and is cut off in the end", async (context) => {
  const clock = new FakeClock();
  const { exporter, port, count, logged } = await serve(context, { write_timeout: "5s" }, clock);
  for (let i = 0; i < 200; i++) exporter.consume(reading(`s${i}`, { series: 2_000 }));
  const stalled = await open(port);
  const cut = once(stalled.socket, "close");
  stalled.on("error", () => {});
  const whole = await get(port);
  assert.equal(whole.text.match(/\n/g)?.length, 1 + 200 * 2_000);
  await clock.advance(6_000);
  await until("the stalled puller to be cut", async () => {
    return (await count("otelcol_exporter_prometheus_pulls", "cut")) === 1;
  });
  assert.deepEqual(
    logged.filter(({ level }) => level >= 40).map(({ address, reason }) => [address, reason]),
    [["127.0.0.1", "write_timeout"]],
  );
  stalled.resume();
  await cut;
  assert.equal(stalled.complete, false, "a page that is not whole must not look whole");
});

test("at the limit on pulls, one that waits for its puller is cut for a new one", async (context) => {
  const { exporter, port, count } = await serve(context, { limits: { pulls: 2 } });
  for (let i = 0; i < 200; i++) exporter.consume(reading(`s${i}`, { series: 2_000 }));
  for (let i = 0; i < 8; i++) {
    const slow = await open(port);
    slow.on("error", () => {});
    const whole = await get(port);
    assert.equal(whole.text.match(/\n/g)?.length, 1 + 200 * 2_000);
  }
  await until("the slow pulls to be cut", async () => {
    return (await count("otelcol_exporter_prometheus_pulls", "cut")) >= 7;
  });
  assert.equal(await count("otelcol_exporter_prometheus_pulls", "rejected"), 0);
});

/** Reads a page into one buffer again and again, so that the memory that the test sees is the server's. */
async function swallow(port: number): Promise<number> {
  const buffer = Buffer.alloc(64 * 1024);
  let bytes = 0;
  const onread = {
    buffer,
    callback: (length: number): boolean => {
      bytes += length;
      return true;
    },
  };
  const socket = connect({ port, host: "127.0.0.1", onread });
  socket.write("GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
  await once(socket, "close");
  return bytes;
}

test("a large page leaves the event loop free and the memory flat", async (context) => {
  const { exporter, port } = await serve(context, {}, systemClock);
  for (let i = 0; i < 300; i++) exporter.consume(reading(`s${i}`, { series: 1_261 }));
  const held = (): number => process.memoryUsage().external + process.memoryUsage().arrayBuffers;
  const before = held();
  let most = 0;
  let turns = 0;
  let done = false;
  const watching = (async () => {
    for (; !done; turns++) {
      await nextTurn();
      most = Math.max(most, held() - before);
    }
  })();
  const bytes = await swallow(port);
  done = true;
  await watching;
  assert.ok(bytes > 30_000_000, `${bytes} bytes`);
  assert.ok(turns > 5, `${turns} turns of the event loop`);
  assert.ok(most < 8_000_000, `${most} bytes beside what was there`);
});

test("a reading leaves the page if no newer one comes", async (context) => {
  const clock = new FakeClock();
  const { exporter, port } = await serve(context, { metric_expiration: "1m" }, clock);
  exporter.consume(reading("s1"));
  await clock.advance(59_000);
  exporter.consume(reading("s2"));
  assert.match((await get(port)).text, /"s1"/);
  await clock.advance(2_000);
  const { text } = await get(port);
  assert.doesNotMatch(text, /"s1"/);
  assert.match(text, /"s2"/);
});

test("resources beyond the limit are left out, counted and logged once", async (context) => {
  const { exporter, port, logged } = await serve(context, { limits: { resources: 1 } });
  const first = reading("s1");
  for (const one of [first, reading("s2"), reading("s3"), reading("s1", { value: 2 })]) exporter.consume(one);
  assert.match((await get(port)).text, /"s1".* 2\n/);
  assert.doesNotMatch((await get(port)).text, /"s[23]"/);
  assert.equal(logged.filter(({ msg }) => msg.includes("limits::resources")).length, 1);
  exporter.end({ resource: first.resource, timeMs: 0 });
  exporter.consume(reading("s2"));
  assert.match((await get(port)).text, /"s2"/);
});

test("conflicts are counted at every pull and logged once a minute", async (context) => {
  const clock = new FakeClock();
  const { exporter, port, logged, count } = await serve(context, { resource_labels: {} }, clock);
  exporter.consume(reading("s1"));
  exporter.consume(reading("s2"));
  assert.equal((await get(port)).text, "# TYPE m gauge\nm 1\n");
  await get(port);
  assert.equal(await count("otelcol_exporter_prometheus_conflicts"), 2);
  const warnings = () => logged.filter(({ msg }) => msg.startsWith("Metrics that collide"));
  assert.deepEqual(
    warnings().map(({ count: times, names }) => [times, names]),
    [[1, ["m (series)"]]],
  );
  await clock.advance(60_000);
  await get(port);
  assert.equal(warnings().length, 2);
});

test("a taken port is named with its address and the cause", async (context) => {
  const { port } = await serve(context);
  await assert.rejects(serve(context, { endpoint: `127.0.0.1:${port}` }), {
    message: `cannot listen on 127.0.0.1:${port}: listen EADDRINUSE: address already in use 127.0.0.1:${port}`,
  });
});

test("a unix socket is served, and one that a dead process left is replaced", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "exporter-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "page.sock");
  await leaveDeadSocket(path);
  const { exporter } = await serve(context, { endpoint: `unix://${path}` });
  exporter.consume(reading("s1"));
  assert.equal((await get(path)).status, 200);
  await assert.rejects(serve(context, { endpoint: `unix://${path}` }), /EADDRINUSE/);
  assert.equal((await get(path)).status, 200, "the one that answers is left alone");
  await exporter.shutdown(AbortSignal.timeout(10_000));
  assert.ok(!existsSync(path));
});

/** A socket file without a process: the server renames it away from where it would remove it. */
async function leaveDeadSocket(path: string): Promise<void> {
  const { renameSync } = await import("node:fs");
  const server = createServer().listen(`${path}.living`);
  await once(server, "listening");
  renameSync(`${path}.living`, path);
  server.close();
  await once(server, "close");
  assert.ok(existsSync(path));
}

test("a file that is no socket is not removed", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "exporter-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "precious.txt");
  writeFileSync(path, "data");
  await assert.rejects(serve(context, { endpoint: `unix://${path}` }), /cannot listen on unix:/);
  assert.ok(existsSync(path));
});

test("shutdown lets a running pull end and takes no new ones", async (context) => {
  const { exporter, port } = await serve(context);
  for (let i = 0; i < 200; i++) exporter.consume(reading(`s${i}`, { series: 2_000 }));
  const running = await open(port);
  const idle = new Agent({ keepAlive: true });
  context.after(() => idle.destroy());
  await once(request({ host: "127.0.0.1", port, path: "/", agent: idle }).end(), "response").then(
    ([response]) => read(response as IncomingMessage),
  );
  const stopped = exporter.shutdown(new AbortController().signal);
  const refused = connect(port, "127.0.0.1");
  await assert.rejects(once(refused, "connect"), { code: "ECONNREFUSED" });
  assert.equal((await read(running)).text.match(/\n/g)?.length, 1 + 200 * 2_000);
  await stopped;
  await exporter.shutdown(new AbortController().signal);
});

test("when its deadline comes, shutdown cuts what still runs", async (context) => {
  const { exporter, port } = await serve(context);
  for (let i = 0; i < 200; i++) exporter.consume(reading(`s${i}`, { series: 2_000 }));
  const running = await open(port);
  const failed = once(running, "error");
  const deadline = new AbortController();
  const stopped = exporter.shutdown(deadline.signal);
  deadline.abort();
  await stopped;
  running.resume();
  await failed;
});

test("what is sent is counted", async (context) => {
  const { exporter, count } = await serve(context);
  exporter.consume(reading("s1", { series: 3 }));
  assert.equal(await count("otelcol_exporter_sent_metric_points"), 3);
});
