// SPDX-License-Identifier: Apache-2.0

import type { Envelope } from "./envelope.ts";
import type { ResourceEntry } from "./resource_entry.ts";

/** Consecutive metrics of an entry that go into one request. */
export interface Slice {
  readonly entry: ResourceEntry;
  /** The index of the first metric in the entry's plan. */
  readonly from: number;
  /** The index behind the last metric in the entry's plan. */
  readonly to: number;
  /** The size of the metrics in bytes. */
  readonly metricBytes: number;
  /** The size of the metrics and their envelope in bytes. */
  readonly bytes: number;
}

/** Distributes entries over requests of at most `bytesMax`. Only an entry that is larger than a request is cut. */
export function cut(entries: readonly ResourceEntry[], envelope: Envelope, bytesMax: number): Slice[][] {
  const requests: Slice[][] = [];
  let slices: Slice[] = [];
  let used = 0;
  const close = (): void => {
    if (slices.length > 0) requests.push(slices);
    slices = [];
    used = 0;
  };
  for (const entry of entries) {
    const { metrics, bytes: metricBytes } = entry.plan;
    if (metrics.length === 0) continue;
    const { total: bytes } = envelope.sizeOf(entry.resource, metricBytes);
    if (used + bytes > bytesMax) close();
    if (bytes <= bytesMax) {
      slices.push({ entry, from: 0, to: metrics.length, metricBytes, bytes });
      used += bytes;
      continue;
    }
    for (const slice of cutEntry(entry, envelope, bytesMax)) {
      if (used + slice.bytes > bytesMax) close();
      slices.push(slice);
      used += slice.bytes;
    }
  }
  close();
  return requests;
}

/** Cuts an entry that is too large for one request. Each slice has at least one metric, however large that is. */
function cutEntry(entry: ResourceEntry, envelope: Envelope, bytesMax: number): Slice[] {
  const { metrics } = entry.plan;
  const slices: Slice[] = [];
  let from = 0;
  let metricBytes = 0;
  const close = (to: number): void => {
    const { total: bytes } = envelope.sizeOf(entry.resource, metricBytes);
    slices.push({ entry, from, to, metricBytes, bytes });
    from = to;
    metricBytes = 0;
  };
  for (const [index, { template }] of metrics.entries()) {
    const { total } = envelope.sizeOf(entry.resource, metricBytes + template.length);
    if (total > bytesMax && index > from) close(index);
    metricBytes += template.length;
  }
  close(metrics.length);
  return slices;
}
