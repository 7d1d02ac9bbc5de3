// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** A sample of a request. */
export interface WrittenSample {
  /** The labels, in the order of the message. */
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly value: number;
  /** Whether it is the NaN that ends a series. */
  readonly isStale: boolean;
  readonly timeMs: number;
}

/** Field numbers of prometheus.WriteRequest, TimeSeries, Label and Sample. */
const TIME_SERIES = 1;
const LABELS = 1;
const SAMPLES = 2;
const METADATA = 3;
/** Field numbers of io.prometheus.write.v2.Request and its TimeSeries. */
const SYMBOLS_V2 = 4;
const TIME_SERIES_V2 = 5;
const METADATA_V2 = 5;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const STALE_BITS = 0x7ff0000000000002n;

/** The metadata of a family. */
export interface WrittenMetadata {
  readonly type: number;
  readonly name: string;
  readonly help: string;
  readonly unit: string;
}

/** Reads a prometheus.WriteRequest whose series have one sample each; fails on anything else. */
export function decodeWriteRequest(bytes: Uint8Array): WrittenSample[] {
  const { samples, metadata } = decodeMixed(bytes);
  assert.equal(metadata.length, 0, "no metadata");
  return samples;
}

/** Reads a prometheus.WriteRequest that has metadata only. */
export function decodeMetadata(bytes: Uint8Array): WrittenMetadata[] {
  const { samples, metadata } = decodeMixed(bytes);
  assert.equal(samples.length, 0, "no samples");
  return metadata;
}

/** Reads a prometheus.WriteRequest that has both. */
export function decodeMixed(bytes: Uint8Array): {
  readonly samples: WrittenSample[];
  readonly metadata: WrittenMetadata[];
} {
  const samples: WrittenSample[] = [];
  const metadata: WrittenMetadata[] = [];
  for (const [field, content] of fields(bytes)) {
    if (field === METADATA) metadata.push(decodeFamily(content));
    else if (field === TIME_SERIES) samples.push(decodeSeries(content));
    else assert.fail(`field ${field}`);
  }
  return { samples, metadata };
}

function decodeFamily(content: Uint8Array): WrittenMetadata {
  const parts = numbersAndTexts(content);
  const textOf = (part: number): string => String(parts.get(part) ?? "");
  return { type: Number(parts.get(1) ?? 0), name: textOf(2), help: textOf(4), unit: textOf(5) };
}

function decodeSeries(content: Uint8Array): WrittenSample {
  const parts = fields(content);
  const labels = parts.filter(([part]) => part === LABELS).map(([, label]) => decodeLabel(label));
  const samples = parts.filter(([part]) => part === SAMPLES);
  assert.equal(samples.length, 1, "one sample in each series");
  assert.equal(parts.length, labels.length + 1, "nothing but labels and a sample");
  const { startMs, ...sample } = decodeSample(samples[0]?.[1] ?? assert.fail());
  assert.equal(startMs, 0, "1.0 has no start");
  return { labels, ...sample };
}

/** A sample of a request of version 2.0. */
export interface WrittenSampleV2 extends WrittenSample {
  readonly startMs: number;
  readonly metadata: Omit<WrittenMetadata, "name">;
}

/** Reads an io.prometheus.write.v2.Request whose series have one sample and metadata each; fails on anything else. */
export function decodeRequestV2(bytes: Uint8Array): WrittenSampleV2[] {
  const symbols: string[] = [];
  const series: Uint8Array[] = [];
  for (const [field, content] of fields(bytes)) {
    if (field === SYMBOLS_V2) symbols.push(UTF8.decode(content));
    else if (field === TIME_SERIES_V2) series.push(content);
    else assert.fail(`field ${field}`);
  }
  assert.equal(symbols[0], "", "the first symbol is the empty text");
  const symbol = (ref: unknown): string => symbols[Number(ref ?? 0)] ?? assert.fail(`symbol ${ref}`);
  return series.map((content) => {
    const parts = fields(content);
    assert.deepEqual(parts.map(([part]) => part).sort(), [1, SAMPLES, METADATA_V2]);
    const part = (wanted: number): Uint8Array =>
      parts.find(([field]) => field === wanted)?.[1] ?? assert.fail();
    const refs = new BinaryReader(part(1));
    const labels: [string, string][] = [];
    while (refs.pos < refs.len) labels.push([symbol(refs.uint32()), symbol(refs.uint32())]);
    const metadata = numbersAndTexts(part(METADATA_V2));
    return {
      labels,
      ...decodeSample(part(SAMPLES)),
      metadata: {
        type: Number(metadata.get(1) ?? 0),
        help: symbol(metadata.get(3)),
        unit: symbol(metadata.get(4)),
      },
    };
  });
}

/** Writes a series as `name{a="b"}`, with the values as JSON strings, ordered by the labels' names. */
export function keyOf(labels: WrittenSample["labels"]): string {
  const name = labels.find(([label]) => label === "__name__")?.[1] ?? "";
  const rest = labels.filter(([label]) => label !== "__name__");
  const texts = rest.map(([label, value]) => `${label}=${JSON.stringify(value)}`).sort();
  return `${name}{${texts.join()}}`;
}

/** Reads a page of the text format. Returns the values by series, written as `keyOf` does. */
export function seriesOnPage(page: string): Map<string, number> {
  const series = new Map<string, number>();
  for (const line of page.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, name = "", , texts = "", number = ""] =
      /^([^{ ]+)(\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})? (\S+)$/.exec(line) ?? assert.fail(line);
    const labels = [...texts.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].flatMap(([, label = "", value = ""]) =>
      // A label with an empty value is the same as no label.
      value === "" ? [] : [[label, unescapeLabel(value)] as const],
    );
    const key = keyOf([["__name__", name], ...labels]);
    assert.ok(!series.has(key), `${key} is there twice`);
    series.set(key, Number(number.replace("Inf", "Infinity")));
  }
  return series;
}

function unescapeLabel(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char));
}

function fields(message: Uint8Array): (readonly [field: number, content: Uint8Array])[] {
  const reader = new BinaryReader(message);
  const found: (readonly [number, Uint8Array])[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    assert.equal(wireType, WireType.LengthDelimited);
    found.push([field, reader.bytes()]);
  }
  return found;
}

function decodeLabel(bytes: Uint8Array): readonly [string, string] {
  const [name, value, ...more] = fields(bytes);
  assert.deepEqual([name?.[0], value?.[0], more.length], [1, 2, 0]);
  return [UTF8.decode(name?.[1]), UTF8.decode(value?.[1])];
}

function numbersAndTexts(bytes: Uint8Array): Map<number, number | string> {
  const reader = new BinaryReader(bytes);
  const found = new Map<number, number | string>();
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    found.set(field, wireType === WireType.Varint ? reader.uint32() : UTF8.decode(reader.bytes()));
  }
  return found;
}

function decodeSample(bytes: Uint8Array): Omit<WrittenSampleV2, "labels" | "metadata"> {
  const reader = new BinaryReader(bytes);
  assert.deepEqual(reader.tag(), [1, WireType.Bit64]);
  const bits = reader.fixed64();
  assert.deepEqual(reader.tag(), [2, WireType.Varint]);
  const timeMs = Number(reader.int64());
  let startMs = 0;
  if (reader.pos < reader.len) {
    assert.deepEqual(reader.tag(), [3, WireType.Varint]);
    startMs = Number(reader.int64());
  }
  assert.equal(reader.pos, reader.len);
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(bits));
  return { value: view.getFloat64(0), isStale: BigInt(bits) === STALE_BITS, timeMs, startMs };
}
