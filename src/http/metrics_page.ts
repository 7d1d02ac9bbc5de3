// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from "node:http";
import { OfferList, type Offers } from "../component/offers.ts";
import type { Single } from "../component/single.ts";
import type { Reading } from "../metrics/model.ts";

export interface PullOptions {
  /** Beside the pipeline's readings; one whose resource has no attributes gets no resource labels. */
  readonly own?: readonly Reading[];
  /** Only families whose names begin with one of these. */
  readonly prefixes?: readonly string[];
}

/** A page of metrics that others can serve too. */
export interface MetricsPage {
  answer(
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
    options: PullOptions,
  ): Promise<void>;
}

/** The pages of the agent's exporters, by their ids. */
export const METRICS_PAGES: Single<Offers<MetricsPage>> = {
  name: "metrics pages",
  make: () => new OfferList(),
};
