// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- push. Indices are in range by construction, which `as number` tells the compiler.

import { HOLE, type Outline, TIME_BYTES, VALUE_BYTES } from "./outline.ts";
import { encodeRequestHeader, type MessageVersion, RECORD_HEADER_BYTES } from "./record.ts";
import { compressOutline, type Elements, type Hole } from "./snappy.ts";

/** A compressed request with holes, for all readings of one layout. Immutable. */
export interface RequestTemplate {
  /** The request as the queue keeps it, with zeros in the holes. */
  readonly record: Uint8Array;
  /** The positions of the holes for numbers in `record`. */
  readonly valuePlaces: Int32Array;
  /** By hole for a number, the reading's column that fills it. */
  readonly columns: Int32Array;
  /** The holes for times. A hole's symbol is its first byte's index in the encoded times. */
  readonly times: readonly Hole[];
  /** The holes for labels. A hole's symbol is its first byte's index in the values of the resource's labels. */
  readonly labels: readonly Hole[];
  readonly samples: number;
  /** The number of the reading's data points that are in this request. */
  readonly points: number;
}

/** A request before it is compressed. */
export interface RequestOutline {
  readonly outline: Outline;
  readonly version: MessageVersion;
  readonly samples: number;
  readonly points: number;
}

/** The bytes and numbers that fill a template. */
export interface Filling {
  /** The values of the resource's labels, one after the other. */
  readonly labels: Uint8Array;
  readonly timeMs: number;
  readonly startMs: number;
  /**
   * The reading's numbers; undefined for stale markers. Holes of the column after the last one are target_info's, and
   * are filled with the number 1.
   */
  readonly values: Float64Array | undefined;
}

/** The bits of the NaN that is Prometheus' stale marker. */
const STALE = { high: 0x7ff00000, low: 0x00000002 };
/** The bits of the NaN that Prometheus takes for an ordinary number. */
const NAN = { high: 0x7ff80000, low: 0x00000001 };

/**
 * Compresses a request, so that only its holes must be filled for each reading. It takes about 5 ms for a whole
 * sandbox.
 */
export function compileTemplate({ outline, version, samples, points }: RequestOutline): RequestTemplate {
  const elements = compressOutline(outline);
  const record = new Uint8Array(RECORD_HEADER_BYTES + elements.bytes.length);
  encodeRequestHeader(record, { version, samples, rawBytes: outline.length });
  record.set(elements.bytes, RECORD_HEADER_BYTES);
  // Each number has a hole of its own, since no number is in a request twice, and none is next to another.
  const values = holesFrom(elements, HOLE.values, Number.POSITIVE_INFINITY);
  return {
    record,
    valuePlaces: Int32Array.from(values, ({ place }) => place),
    columns: Int32Array.from(values, ({ symbol }) => symbol / VALUE_BYTES),
    times: holesFrom(elements, HOLE.time, HOLE.labels),
    labels: holesFrom(elements, HOLE.labels, HOLE.values),
    samples,
    points,
  };
}

/**
 * Returns the holes with symbols from `first` to before `end`. The returned symbols count from `first`, the places from
 * the start of the record.
 */
function holesFrom({ holes }: Elements, first: number, end: number): Hole[] {
  return holes
    .filter(({ symbol }) => symbol >= first && symbol < end)
    .map((hole) => ({ ...hole, symbol: hole.symbol - first, place: RECORD_HEADER_BYTES + hole.place }));
}

/** Fills the template. Returns the request as the queue keeps it, in new memory. */
export function fillTemplate(
  template: RequestTemplate,
  { labels, timeMs, startMs, values }: Filling,
): Uint8Array {
  const { record, valuePlaces, columns } = template;
  // The memory need not be zeroed, since the record fills all of it.
  const { buffer } = Buffer.allocUnsafeSlow(record.length);
  const bytes = new Uint8Array(buffer);
  bytes.set(record);
  copyHoles(bytes, template.labels, labels);
  copyHoles(bytes, template.times, encodeTimes(timeMs, startMs));
  const view = new DataView(buffer);
  if (values === undefined) {
    for (let i = 0; i < valuePlaces.length; i++) writeBits(view, valuePlaces[i] as number, STALE);
    return bytes;
  }
  const width = values.length;
  for (let i = 0; i < valuePlaces.length; i++) {
    const column = columns[i] as number;
    const value = column < width ? (values[column] as number) : 1;
    // Every NaN is written as the same one, so that no number of a source can pass for a stale marker.
    if (Number.isNaN(value)) writeBits(view, valuePlaces[i] as number, NAN);
    else view.setFloat64(valuePlaces[i] as number, value, true);
  }
  return bytes;
}

function copyHoles(bytes: Uint8Array, holes: readonly Hole[], from: Uint8Array): void {
  for (const { symbol, place, bytes: count } of holes)
    for (let index = 0; index < count; index++) bytes[place + index] = from[symbol + index] as number;
}

function writeBits(
  view: DataView,
  place: number,
  { high, low }: { readonly high: number; readonly low: number },
): void {
  view.setUint32(place, low, true);
  view.setUint32(place + 4, high, true);
}

const TIME_MAX = 2 ** (7 * TIME_BYTES) - 1;

/** Encodes the time of the samples, and then the time since when they count: the order of their symbols in `HOLE`. */
function encodeTimes(...timesMs: readonly [timeMs: number, startMs: number]): Uint8Array {
  const bytes = new Uint8Array(2 * TIME_BYTES);
  let place = 0;
  for (const timeMs of timesMs) {
    let rest = Math.min(TIME_MAX, Math.max(0, Math.trunc(timeMs)));
    for (let index = 1; index < TIME_BYTES; index++) {
      bytes[place++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    bytes[place++] = rest;
  }
  return bytes;
}
