// SPDX-License-Identifier: Apache-2.0
import type { LayoutLimits } from "./known_layouts.ts";
import type { LineLimits } from "./line.ts";

/** Limits on one page and on all pages together. Lines beyond a limit are left out and counted. */
export interface ParseLimits extends LineLimits, LayoutLimits {
  /** Family blocks of one page, good or bad. The rest of the page is left out. Honest pages have up to 80. */
  readonly blocksMax: number;
  /** Sample lines of one page. The rest of the page is left out. The largest recorded page has 1,888. */
  readonly samplesMax: number;
  /** Bad or overlong lines of one page. The rest of the page is left out. It limits the time that noise can take. */
  readonly badLinesMax: number;
  /**
   * Bytes of one page that are lexed because no layout fits them. Further blocks without a layout are left out of this page
   * and may be read on the next one. A first page is lexed whole, and the largest recorded one has 124,806 bytes. It limits
   * the time for one page: to lex a byte takes up to 100 times as long as to read it by a layout.
   */
  readonly newBytesMax: number;
  /** Blocks of one source without a known layout that are lexed in one minute. Further ones are left out. */
  readonly newLayoutsPerMinuteMax: number;
  /** Sample lines of such blocks. To lex one takes 50 times as long as to read it by a layout. */
  readonly newSamplesPerMinuteMax: number;
  /** Distinct series that one source brings over its life. Beyond them, only series that are known already are read. */
  readonly seriesMax: number;
}

/**
 * The defaults are above the sizes of honest pages, and below the limits that readers of the agent's page usually set. The
 * limits of a minute are those of four whole pages, one for each scrape at the default interval.
 */
export const defaultParseLimits: ParseLimits = {
  lineBytesMax: 4 * 1024,
  nameBytesMax: 128,
  labelsMax: 8,
  labelValueBytesMax: 256,
  blocksMax: 300,
  samplesMax: 3_000,
  badLinesMax: 1_000,
  newBytesMax: 256 * 1024,
  newLayoutsPerMinuteMax: 1_200,
  newSamplesPerMinuteMax: 12_000,
  seriesMax: 5_000,
  layoutsMax: 20_000,
  layoutsPerSourceMax: 2_000,
  layoutBytesMax: 64 * 1024 ** 2,
  layoutBytesPerSourceMax: 4 * 1024 ** 2,
};
