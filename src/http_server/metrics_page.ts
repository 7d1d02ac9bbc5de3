// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from "node:http";
import { OfferList, type Offers } from "../component/offers.ts";
import type { Single } from "../component/single.ts";
import type { Reading } from "../metrics/model.ts";

/** The families that the answer to one pull has, and readings that are added to it. */
export interface PullOptions {
  /** Readings to add to those of the pipeline. A reading whose resource has no attributes gets no resource labels. */
  readonly own?: readonly Reading[];
  /** Only families whose names begin with one of these are written; all families if left out. */
  readonly prefixes?: readonly string[];
}

/** A page of metrics that other components can serve as well. */
export interface MetricsPage {
  /** Answers the request with the page. Rejects when the signal aborts. */
  answer(
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
    options: PullOptions,
  ): Promise<void>;
}

/** The key of the list of pages that the agent's exporters offer. The list has the pages by their exporters' ids. */
export const METRICS_PAGES: Single<Offers<MetricsPage>> = {
  make: () => new OfferList(),
};
