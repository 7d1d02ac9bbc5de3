// SPDX-License-Identifier: Apache-2.0
import type { Outline } from "./outline.ts";
import type { MessageVersion } from "./record.ts";
import type { RequestSeries } from "./request_series.ts";

/** Builds the outline of one request, series by series. */
export interface RequestBuilder {
  readonly version: MessageVersion;
  /** The bytes of the message so far, before compression. */
  readonly bytes: number;
  readonly samples: number;
  /**
   * Adds the series with its sample, and returns true. If the request would then be larger than `bytesMax`, the series
   * is not added, and the result is false. The first series is always added.
   */
  add(series: RequestSeries, bytesMax: number): boolean;
  /** Returns the outline. Nothing may be added afterwards. */
  finish(): Outline;
}
