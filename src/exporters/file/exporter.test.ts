// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { gaugeReading, runningExporter } from "../../../test/kit/component/exporter.ts";
import { lineOf } from "../../../test/kit/component/logs.ts";
import { testSettings } from "../../../test/kit/component/settings.ts";
import { poll } from "../../../test/kit/poll.ts";
import type { Host } from "../../component/host.ts";
import {
  type ExportMetricsServiceRequest,
  ExportMetricsServiceRequestSchema,
} from "../../otlp/generated/opentelemetry/proto/metrics/v1/metrics_pb.ts";
import { createHost } from "../../pipeline/host.ts";
import { factory } from "./factory.ts";

const TIME_MS = 1_700_000_000_000;

const exporting = (context: TestContext, input: object) =>
  runningExporter(context, factory, { id: "file", config: { flush_interval: "1ms", ...input } });

function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "file-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

type Parse = (file: Buffer) => ExportMetricsServiceRequest[];

const parseLines: Parse = (file) => {
  assert.ok(file.length === 0 || file.at(-1) === 10, "the last line has its end");
  const lines = String(file).split("\n").slice(0, -1);
  return lines.map((line) => fromJsonString(ExportMetricsServiceRequestSchema, line));
};

function prefixed(file: Buffer): Buffer[] {
  const payloads: Buffer[] = [];
  let at = 0;
  for (; at < file.length; at += 4 + file.readUInt32BE(at))
    payloads.push(file.subarray(at + 4, at + 4 + file.readUInt32BE(at)));
  assert.equal(at, file.length, "the last record is whole");
  return payloads;
}

const ofProto = (bytes: Uint8Array) => fromBinary(ExportMetricsServiceRequestSchema, bytes);
const ofJson = (bytes: Uint8Array) => fromJsonString(ExportMetricsServiceRequestSchema, String(bytes));

/** The resources in the file's order, each as `id: values @time`. */
function readingsOf(requests: readonly ExportMetricsServiceRequest[]): string[] {
  return requests
    .flatMap(({ resourceMetrics }) => resourceMetrics)
    .map(({ resource, scopeMetrics }) => {
      const points = scopeMetrics
        .flatMap(({ metrics }) => metrics)
        .flatMap(({ data }) => (data.case === "gauge" ? data.value.dataPoints : []));
      const id = resource?.attributes.find(({ key }) => key === "kata.sandbox.id")?.value?.value.value;
      const values = points.map(({ value, flags }) => (flags === 1 ? "gone" : String(value.value)));
      return `${id}: ${values.join(" ")} @${(points[0]?.timeUnixNano ?? 0n) / 1_000_000n}`;
    });
}

test("the file has the readings, in every format", async (context) => {
  const folder = folderOf(context);
  const check = async (input: object, parse: Parse): Promise<void> => {
    const path = join(folder, "out");
    const { exporter } = await exporting(context, { path, ...input });
    for (let i = 0; i < 50; i++) {
      exporter.consume(gaugeReading("s1", [i, Number.NaN], TIME_MS + i));
      if (i % 10 === 0) await poll("a record", () => parse(readFileSync(path))[0]);
    }
    exporter.end({ resource: gaugeReading("s1", [], TIME_MS).resource, timeMs: TIME_MS + 100 });
    await exporter.shutdown(AbortSignal.timeout(10_000));
    const wanted = Array.from({ length: 50 }, (_, i) => `s1: ${i} NaN @${TIME_MS + i}`);
    assert.deepEqual(readingsOf(parse(readFileSync(path))), [...wanted, `s1: gone gone @${TIME_MS + 100}`]);
  };
  await check({}, parseLines);
  await check({ format: "proto" }, (file) => prefixed(file).map(ofProto));
  const unzipped = (file: Buffer): Buffer[] => prefixed(file).map((bytes) => zstdDecompressSync(bytes));
  await check({ compression: "zstd" }, (file) => unzipped(file).map(ofJson));
  await check({ format: "proto", compression: "zstd" }, (file) => unzipped(file).map(ofProto));
});

test("series that end are marked unless staleness_markers is off", async (context) => {
  const folder = folderOf(context);
  const check = async (input: object, want: readonly string[]): Promise<void> => {
    const path = join(folder, "out");
    const { exporter } = await exporting(context, { path, ...input });
    const readings = [gaugeReading("s1", [1, 2], TIME_MS), gaugeReading("s1", [3], TIME_MS + 1)] as const;
    for (const reading of readings) exporter.consume(reading);
    exporter.end({ resource: readings[1].resource, timeMs: TIME_MS + 2 });
    await exporter.shutdown(AbortSignal.timeout(10_000));
    assert.deepEqual(readingsOf(parseLines(readFileSync(path))), want);
  };
  const [first, second] = [`s1: 1 2 @${TIME_MS}`, `s1: 3 @${TIME_MS + 1}`];
  const ends = [`s1: gone @${TIME_MS + 1}`, `s1: gone @${TIME_MS + 2}`] as const;
  await check({}, [first, ends[0], second, ends[1]]);
  await check({ staleness_markers: false }, [first, second]);
});

test("append keeps the content, and cuts off an unfinished record", async (context) => {
  const path = join(folderOf(context), "out");
  for (const [id, append] of [
    ["s1", true],
    ["s2", true],
    ["s3", false],
  ] as const) {
    const { exporter } = await exporting(context, { path, append });
    exporter.consume(gaugeReading(id, [1], TIME_MS));
    await exporter.shutdown(AbortSignal.timeout(10_000));
    const whole = readFileSync(path);
    const ids = readingsOf(parseLines(whole)).map((text) => text.slice(0, 2));
    assert.deepEqual(ids, append ? ["s1", "s2"].slice(0, id === "s1" ? 1 : 2) : ["s3"]);
    writeFileSync(path, Buffer.concat([whole, whole.subarray(0, 100)]));
  }
});

test("the file keeps its content when a reload makes a new exporter, but not when another agent starts", async (context) => {
  const path = join(folderOf(context), "out");
  writeFileSync(path, "");
  const write = async (id: string, host: Host): Promise<string[]> => {
    const config = { path, flush_interval: "1ms" };
    const { exporter } = await runningExporter(context, factory, { id: "file", config, host });
    exporter.consume(gaugeReading(id, [1], TIME_MS));
    await exporter.shutdown(AbortSignal.timeout(10_000));
    return readingsOf(parseLines(readFileSync(path))).map((text) => text.slice(0, 2));
  };
  const host = createHost();
  factory.create(factory.schema.parse({ path }), testSettings({ host }));
  await write("s0", createHost());
  assert.deepEqual(await write("s1", host), ["s1"], "one that was made and not started has written nothing");
  assert.deepEqual(await write("s2", host), ["s1", "s2"]);
  assert.deepEqual(await write("s3", createHost()), ["s3"]);
});

test("on a full disk readings wait, and are written in their order when there is space", async (context) => {
  const disk = mkdtempSync(join(tmpdir(), "disk-"));
  const remove = (): void => rmSync(disk, { recursive: true });
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], { stdio: "ignore" });
  } catch {
    remove();
    return context.skip("mounting a file system needs root");
  }
  context.after(() => {
    execFileSync("umount", ["--lazy", disk]);
    remove();
  });
  const path = join(disk, "out");
  writeFileSync(join(disk, "ballast"), Buffer.alloc(64 * 1024));
  const { exporter, lines } = await exporting(context, { path });
  for (let i = 0; i < 20; i++) exporter.consume(gaugeReading("s1", [i], TIME_MS + i));
  const line = await lineOf(lines, "The destination takes no data; retrying.");
  assert.equal(line["error"], `cannot write to "${path}": ENOSPC: no space left on device, write`);
  assert.equal(readFileSync(path).length, 0);
  rmSync(join(disk, "ballast"));
  const got = await poll("all readings", () => {
    const all = readingsOf(parseLines(readFileSync(path)));
    return all.length === 20 ? all : undefined;
  });
  assert.deepEqual(
    got,
    Array.from({ length: 20 }, (_, i) => `s1: ${i} @${TIME_MS + i}`),
  );
});

test("nothing is lost while the directory is missing", async (context) => {
  const folder = join(folderOf(context), "sub");
  const path = join(folder, "out");
  mkdirSync(folder);
  const { exporter, lines } = await exporting(context, { path });
  exporter.consume(gaugeReading("s1", [1], TIME_MS));
  await poll("the first", () => parseLines(readFileSync(path))[0]);
  renameSync(folder, `${folder}.gone`);
  exporter.consume(gaugeReading("s1", [2], TIME_MS));
  const line = await lineOf(lines, "The destination takes no data; retrying.");
  assert.match(String(line["error"]), /^cannot write to ".*": ENOENT: /);
  mkdirSync(folder);
  const [second] = await poll("the second", () =>
    existsSync(path) && readFileSync(path).length > 0 ? parseLines(readFileSync(path)) : undefined,
  );
  assert.ok(second !== undefined);
  assert.deepEqual(readingsOf([second]), [`s1: 2 @${TIME_MS}`]);
});

test("the start fails with the reason if the path is wrong", async (context) => {
  const folder = folderOf(context);
  writeFileSync(join(folder, "text"), "a text");
  const check = async (input: { readonly path: string }, wanted: RegExp): Promise<void> => {
    await assert.rejects(exporting(context, input), wanted);
  };
  await check({ path: join(folder, "no", "out") }, /^Error: cannot write to ".*\/no\/out": ENOENT: /);
  await check({ path: folder }, /: it is not a regular file$/);
  await check({ path: join(folder, "text", "out") }, /: ENOTDIR: /);
  const foreign = { path: join(folder, "text"), append: true };
  await check(foreign, /: no record begins at byte 0; is it somebody else's/);
});

test("a shutdown without time logs the readings that were not written, and may come without a start", async (context) => {
  const path = join(folderOf(context), "out");
  const { exporter, lines } = await exporting(context, { path, flush_interval: "1m" });
  exporter.consume(gaugeReading("s1", [1, 2, 3], TIME_MS));
  await exporter.shutdown(AbortSignal.abort());
  const line = await lineOf(lines, "Exporting failed. Dropping data.");
  assert.equal(line["reason"], "shutdown");
  assert.equal(line["dropped_items"], 3);
  exporter.consume(gaugeReading("s1", [1], TIME_MS));
  await lineOf(lines, "Exporting failed. Rejecting data.");
});

test("a request that takes longer than the timeout leaves nothing in the file", async (context) => {
  const path = join(folderOf(context), "out");
  const { exporter, lines } = await exporting(context, { path, timeout: "1ms" });
  for (let i = 0; i < 200; i++) exporter.consume(gaugeReading(`s${i}`, new Array(100).fill(i)));
  const line = await lineOf(lines, "The destination takes no data; retrying.");
  assert.equal(line["error"], `cannot write to "${path}": not within the timeout`);
  await exporter.shutdown(AbortSignal.timeout(10_000));
  parseLines(readFileSync(path));
});
