import assert from "node:assert/strict";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** A sample as the protocol has it. */
export interface WrittenSample {
  /** In the order of the message. */
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
const STALE_BITS = 0x7ff0000000000002n;

/** Reads a prometheus.WriteRequest whose series have one sample each; fails on anything else. */
export function decodeWriteRequest(bytes: Uint8Array): WrittenSample[] {
  return fields(bytes).map(([field, series]) => {
    assert.equal(field, TIME_SERIES);
    const parts = fields(series);
    const labels = parts.filter(([part]) => part === LABELS).map(([, label]) => decodeLabel(label));
    const samples = parts.filter(([part]) => part === SAMPLES);
    assert.equal(samples.length, 1, "one sample in each series");
    assert.equal(parts.length, labels.length + 1, "nothing but labels and a sample");
    return { labels, ...decodeSample(samples[0]?.[1] ?? assert.fail()) };
  });
}

/** `name{a="b"}`, with the labels as JSON texts, in the order of names. */
export function keyOf(labels: WrittenSample["labels"]): string {
  const name = labels.find(([label]) => label === "__name__")?.[1] ?? "";
  const rest = labels.filter(([label]) => label !== "__name__");
  const texts = rest.map(([label, value]) => `${label}=${JSON.stringify(value)}`).sort();
  return `${name}{${texts.join()}}`;
}

/** The lines of a page of the text format, as series in `keyOf`'s spelling and their numbers. */
export function seriesOnPage(page: string): Map<string, number> {
  const series = new Map<string, number>();
  for (const line of page.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, name = "", , texts = "", number = ""] =
      /^([^{ ]+)(\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})? (\S+)$/.exec(line) ?? assert.fail(line);
    const labels = [...texts.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].flatMap(([, label = "", value = ""]) =>
      // An empty label is none.
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
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return [decoder.decode(name?.[1]), decoder.decode(value?.[1])];
}

function decodeSample(bytes: Uint8Array): Pick<WrittenSample, "value" | "isStale" | "timeMs"> {
  const reader = new BinaryReader(bytes);
  assert.deepEqual(reader.tag(), [1, WireType.Bit64]);
  const bits = reader.fixed64();
  assert.deepEqual(reader.tag(), [2, WireType.Varint]);
  const timeMs = Number(reader.int64());
  assert.equal(reader.pos, reader.len);
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(bits));
  return { value: view.getFloat64(0), isStale: BigInt(bits) === STALE_BITS, timeMs };
}
