// SPDX-License-Identifier: Apache-2.0
// This is a hot path; `npm run bench -- otlp` measures it. `as number` tells the compiler that each index is in range.

import type { Reading } from "../metrics/model.ts";
import { ProtoWriter } from "../wire/writer.ts";
import { cut, type Slice } from "./cut.ts";
import { Envelope, type Scope } from "./envelope.ts";
import { type Frame, fill } from "./fill.ts";
import type { MetricPlan } from "./metric_plan.ts";
import { nanosAsDouble, startAsDouble } from "./nanos.ts";
import { type EndedSeries, endedEntry, type ResourceEntry, readingEntry } from "./resource_entry.ts";
import type { Restarts } from "./start_times.ts";

/** An encoded ExportMetricsServiceRequest. */
export interface OtlpRequest {
  readonly bytes: Uint8Array;
  /** The number of data points that come from readings, without `endPoints`. */
  readonly points: number;
  /** The number of data points that only say that a series has ended. */
  readonly endPoints: number;
}

/** Encodes readings, and ends of series, as requests. */
export interface OtlpEncoder {
  /**
   * Makes an entry of a reading. The caller makes sure that all points are sound (see `soundPart`). A counter without
   * a time in `restarts` gets the reading's own start time.
   */
  reading(reading: Reading, restarts: Restarts): ResourceEntry;
  /** Makes an entry that says that the series have ended. */
  ended(ended: EndedSeries): ResourceEntry;
  /**
   * Encodes the entries, in their order, into requests of at most `bytesMax`. An entry that is larger than `bytesMax`
   * is cut between metrics. Only a single metric that is larger by itself (see `METRIC_BYTES_MAX`) makes a larger
   * request.
   */
  encode(entries: readonly ResourceEntry[], bytesMax: number): OtlpRequest[];
}

export function createOtlpEncoder(scope: Scope): OtlpEncoder {
  const envelope = new Envelope(scope);
  return {
    reading: readingEntry,
    ended: endedEntry,
    encode: (entries, bytesMax) =>
      cut(entries, envelope, bytesMax).map((slices) => encodeRequest(slices, envelope)),
  };
}

function encodeRequest(slices: readonly Slice[], envelope: Envelope): OtlpRequest {
  let bytes = 0;
  for (const slice of slices) bytes += slice.bytes;
  const writer = new ProtoWriter(bytes);
  const view = writer.view();
  let points = 0;
  let endPoints = 0;
  for (const slice of slices) {
    envelope.open(writer, slice.entry.resource, slice.metricBytes);
    const written = writeMetrics(writer, view, slice);
    if (slice.entry.plan.isEnd) endPoints += written;
    else points += written;
  }
  return { bytes: writer.finish(), points, endPoints };
}

/** Writes the metrics of the slice. Returns the number of points that were written. */
function writeMetrics(writer: ProtoWriter, view: DataView, { entry, from, to }: Slice): number {
  const { plan, values, timeMs, startMs, restarts } = entry;
  const time = nanosAsDouble(timeMs);
  const start = startAsDouble(startMs, timeMs);
  const frame: Frame = { view, values, time, start, timeMs, startMs, restarts };
  let points = 0;
  for (let i = from; i < to; i++) {
    const metric = plan.metrics[i] as MetricPlan;
    const at = writer.length;
    writer.raw(metric.template);
    fill(frame, metric, { at, column: plan.columns[i] as number });
    points += metric.points;
  }
  return points;
}
