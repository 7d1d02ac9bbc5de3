// SPDX-License-Identifier: Apache-2.0
import type { Family, Kind } from "../../metrics/model.ts";
import type { Slot } from "./encoded_resource.ts";
import { HOLE, Outline, TIME_BYTES, VALUE_BYTES } from "./outline.ts";
import type { RequestBuilder } from "./request_builder.ts";
import { isSlot, type RequestSeries } from "./request_series.ts";

// Tags of io.prometheus.write.v2.Request, TimeSeries, Sample and Metadata: field numbers with wire types.
const SYMBOL_TAG = 0x22;
const SERIES_TAG = 0x2a;
const LABELS_TAG = 0x0a;
const SAMPLE_TAG = 0x12;
const METADATA_TAG = 0x2a;
const VALUE_TAG = 0x09;
const TIME_TAG = 0x10;
const START_TAG = 0x18;
const TYPE_TAG = 0x08;
const HELP_TAG = 0x18;
const UNIT_TAG = 0x20;

/** The size of a sample without its tag and length. */
const SAMPLE_BYTES = 1 + VALUE_BYTES + 1 + TIME_BYTES;
/** The size of a sample that also has the time since when it counts. */
const STARTED_SAMPLE_BYTES = SAMPLE_BYTES + 1 + TIME_BYTES;

/** By kind, the value of Metadata.MetricType in 2.0, which is also that of MetricMetadata.MetricType in 1.0. */
export const METRIC_TYPE: Readonly<Record<Kind, number>> = {
  unknown: 0,
  sum: 1,
  gauge: 2,
  histogram: 3,
  summary: 5,
};

/** Builds an `io.prometheus.write.v2.Request` of remote write 2.0 (2.0-rc.4). */
export class OutlineV2 implements RequestBuilder {
  readonly version = 2;
  samples = 0;
  readonly #symbols = new SymbolTable();
  readonly #outline = new Outline();
  readonly #series = new Outline();
  readonly #part = new Outline();

  get bytes(): number {
    return this.#symbols.bytes + this.#outline.length;
  }

  add({ family, labels, column }: RequestSeries, bytesMax: number): boolean {
    const before = { symbols: this.#symbols.count, bytes: this.#outline.length };
    this.#series.cut(0);
    this.#part.cut(0);
    for (const label of labels) {
      const [name, value] = isSlot(label) ? [label.name, label] : label;
      this.#part.varint(this.#symbols.refOf(name));
      this.#part.varint(
        typeof value === "string" ? this.#symbols.refOf(value) : this.#symbols.refOfSlot(value),
      );
    }
    this.#series.message(LABELS_TAG, this.#part.symbols);
    this.#addSample(column, family.kind);
    this.#addMetadata(family);
    this.#outline.message(SERIES_TAG, this.#series.symbols);
    if (this.samples > 0 && this.bytes > bytesMax) {
      this.#symbols.cut(before.symbols);
      this.#outline.cut(before.bytes);
      return false;
    }
    this.samples++;
    return true;
  }

  #addSample(column: number, kind: Kind): void {
    const counts = kind === "sum" || kind === "histogram" || kind === "summary";
    this.#series.byte(SAMPLE_TAG);
    this.#series.varint(counts ? STARTED_SAMPLE_BYTES : SAMPLE_BYTES);
    this.#series.byte(VALUE_TAG);
    this.#series.hole(HOLE.values + column * VALUE_BYTES, VALUE_BYTES);
    this.#series.byte(TIME_TAG);
    this.#series.hole(HOLE.time, TIME_BYTES);
    if (!counts) return;
    this.#series.byte(START_TAG);
    this.#series.hole(HOLE.start, TIME_BYTES);
  }

  #addMetadata({ kind, help, unit }: Family): void {
    this.#part.cut(0);
    this.#part.byte(TYPE_TAG);
    this.#part.varint(METRIC_TYPE[kind]);
    this.#part.byte(HELP_TAG);
    this.#part.varint(this.#symbols.refOf(help));
    this.#part.byte(UNIT_TAG);
    this.#part.varint(this.#symbols.refOf(unit));
    this.#series.message(METADATA_TAG, this.#part.symbols);
  }

  finish(): Outline {
    const whole = new Outline();
    this.#symbols.writeTo(whole);
    whole.raw(this.#outline.symbols);
    return whole;
  }
}

/**
 * The texts of a request, each once. Only the value of a resource's label, which is not known yet, may equal another
 * text.
 */
class SymbolTable {
  /**
   * The number of each text in the table. The key is the text itself. For the value of a resource's label, which differs
   * by resource, the key is the offset of its bytes among the resource's values. Number 0 is the empty text.
   */
  readonly #refs = new Map<string | number, number>([["", 0]]);
  readonly #ends = [2];
  readonly #outline = new Outline();

  constructor() {
    this.#outline.text(SYMBOL_TAG, "");
  }

  get count(): number {
    return this.#refs.size;
  }

  get bytes(): number {
    return this.#outline.length;
  }

  refOf(text: string): number {
    return this.#refs.get(text) ?? this.#add(text, () => this.#outline.text(SYMBOL_TAG, text));
  }

  refOfSlot({ start, bytes }: Slot): number {
    const write = (): void => {
      this.#outline.byte(SYMBOL_TAG);
      this.#outline.varint(bytes);
      this.#outline.hole(HOLE.labels + start, bytes);
    };
    return this.#refs.get(start) ?? this.#add(start, write);
  }

  #add(key: string | number, write: () => void): number {
    const ref = this.#refs.size;
    write();
    this.#refs.set(key, ref);
    this.#ends.push(this.#outline.length);
    return ref;
  }

  /** Removes all texts after the first `count`. */
  cut(count: number): void {
    for (const [key, ref] of this.#refs) if (ref >= count) this.#refs.delete(key);
    this.#ends.length = count;
    this.#outline.cut(this.#ends.at(-1) ?? 0);
  }

  writeTo(outline: Outline): void {
    outline.raw(this.#outline.symbols);
  }
}
