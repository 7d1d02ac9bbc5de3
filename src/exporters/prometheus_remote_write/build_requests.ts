// SPDX-License-Identifier: Apache-2.0
import { OutlineV1 } from "./outline_v1.ts";
import { OutlineV2 } from "./outline_v2.ts";
import type { MessageVersion } from "./record.ts";
import type { RequestBuilder } from "./request_builder.ts";
import type { RequestSeries } from "./request_series.ts";

/** Builds requests of at most `bytesMax` from the series. A request is larger only if it has a single series. */
export function buildRequests(
  series: Iterable<RequestSeries>,
  { version, bytesMax }: { readonly version: MessageVersion; readonly bytesMax: number },
): RequestBuilder[] {
  const create = (): RequestBuilder => (version === 1 ? new OutlineV1() : new OutlineV2());
  const builders: RequestBuilder[] = [];
  let builder = create();
  for (const one of series) {
    if (builder.add(one, bytesMax)) continue;
    builders.push(builder);
    builder = create();
    builder.add(one, bytesMax);
  }
  if (builder.samples > 0) builders.push(builder);
  return builders;
}
