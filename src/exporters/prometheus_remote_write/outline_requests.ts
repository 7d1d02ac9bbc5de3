// SPDX-License-Identifier: Apache-2.0
import type { Outline } from "./outline.ts";
import { OutlineV1 } from "./outline_v1.ts";
import { OutlineV2 } from "./outline_v2.ts";
import type { MessageVersion } from "./record.ts";
import type { RequestSeries } from "./request_series.ts";

/** A request in the making. */
export interface OutlineDraft {
  readonly version: MessageVersion;
  readonly bytes: number;
  readonly samples: number;
  /** Adds the series with its sample; false, and it is as before, where the request would pass the limit. The first fits. */
  add(series: RequestSeries, bytesMax: number): boolean;
  finish(): Outline;
}

/** Requests of at most `bytesMax` that have all of the series; only a single series can pass the limit. */
export function outlineRequests(
  series: Iterable<RequestSeries>,
  { version, bytesMax }: { readonly version: MessageVersion; readonly bytesMax: number },
): OutlineDraft[] {
  const create = (): OutlineDraft => (version === 1 ? new OutlineV1() : new OutlineV2());
  const drafts: OutlineDraft[] = [];
  let draft = create();
  for (const one of series) {
    if (draft.add(one, bytesMax)) continue;
    drafts.push(draft);
    draft = create();
    draft.add(one, bytesMax);
  }
  if (draft.samples > 0) drafts.push(draft);
  return drafts;
}
