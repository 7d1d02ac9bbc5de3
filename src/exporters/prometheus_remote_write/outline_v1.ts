// SPDX-License-Identifier: Apache-2.0
import { HOLE, Outline, REQUEST_BYTES, TIME_BYTES, VALUE_BYTES } from "./outline.ts";
import type { RequestBuilder } from "./request_builder.ts";
import { isSlot, type RequestLabel, type RequestSeries } from "./request_series.ts";

// Tags of prometheus.WriteRequest, TimeSeries, Label and Sample: field numbers with wire types.
const SERIES_TAG = 0x0a;
const LABEL_TAG = 0x0a;
const SAMPLE_TAG = 0x12;
const NAME_TAG = 0x0a;
const LABEL_VALUE_TAG = 0x12;
const VALUE_TAG = 0x09;
const TIME_TAG = 0x10;

/** The size of a sample without its tag and length. */
const SAMPLE_BYTES = 1 + VALUE_BYTES + 1 + TIME_BYTES;

/** Builds a `prometheus.WriteRequest` of remote write 1.0. */
export class OutlineV1 implements RequestBuilder {
  readonly version = 1;
  samples = 0;
  readonly #outline = new Outline(REQUEST_BYTES);
  readonly #series = new Outline();
  readonly #label = new Outline();

  get bytes(): number {
    return this.#outline.length;
  }

  add({ labels, column }: RequestSeries, bytesMax: number): boolean {
    const before = this.#outline.length;
    this.#series.cut(0);
    for (const label of labels) this.#addLabel(label);
    this.#series.byte(SAMPLE_TAG);
    this.#series.varint(SAMPLE_BYTES);
    this.#series.byte(VALUE_TAG);
    this.#series.hole(HOLE.values + column * VALUE_BYTES, VALUE_BYTES);
    this.#series.byte(TIME_TAG);
    this.#series.hole(HOLE.time, TIME_BYTES);
    this.#outline.message(SERIES_TAG, this.#series.symbols);
    if (this.samples > 0 && this.bytes > bytesMax) {
      this.#outline.cut(before);
      return false;
    }
    this.samples++;
    return true;
  }

  #addLabel(label: RequestLabel): void {
    this.#label.cut(0);
    if (isSlot(label)) {
      this.#label.text(NAME_TAG, label.name);
      this.#label.byte(LABEL_VALUE_TAG);
      this.#label.varint(label.bytes);
      this.#label.hole(HOLE.labels + label.start, label.bytes);
    } else {
      this.#label.text(NAME_TAG, label[0]);
      this.#label.text(LABEL_VALUE_TAG, label[1]);
    }
    this.#series.message(LABEL_TAG, this.#label.symbols);
  }

  finish(): Outline {
    return this.#outline;
  }
}
