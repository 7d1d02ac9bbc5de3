// SPDX-License-Identifier: Apache-2.0
import type { LayoutLimits } from "./known_layouts.ts";
import type { LineLimits } from "./line.ts";

/** Limits on one page and on all pages together. Lines beyond a limit are left out and counted. */
export interface ParseLimits extends LineLimits, LayoutLimits {
  /**
   * The most blocks of one page, good or bad. At the limit, the rest of the page is left out. Honest pages have up to
   * 80.
   */
  readonly blocksMax: number;
  /**
   * The most sample lines of one page. At the limit, the rest of the page is left out. The largest recorded page has
   * 1,888.
   */
  readonly samplesMax: number;
  /**
   * The most lines of one page that are left out singly. At the limit, the rest of the page is left out, too. The limit
   * bounds the time that a page of bad or overlong lines can take.
   */
  readonly badLinesMax: number;
  /**
   * The most bytes of one page that are lexed because no layout fits them. At the limit, further blocks without a
   * layout are left out of this page, and may be read on the next one. A first page is lexed whole, and the largest
   * recorded one has 124,806 bytes. The limit bounds the time for one page: to lex a byte takes up to 100 times as long
   * as to read it by a layout.
   */
  readonly newBytesMax: number;
  /**
   * The most blocks of one source that are lexed in one minute because no layout fits them. Further ones are left out.
   */
  readonly newLayoutsPerMinuteMax: number;
  /**
   * The most sample lines of one source that are lexed in one minute. Further blocks without a layout are left out. To
   * lex a line takes 50 times as long as to read it by a layout.
   */
  readonly newSamplesPerMinuteMax: number;
  /**
   * The most distinct series that one source brings over its life. At the limit, only series that it has brought before
   * are read.
   */
  readonly seriesMax: number;
}

/**
 * The defaults are above the sizes of honest pages, and below the limits that readers of the agent's page usually set.
 * The limits per minute are four times those of one page, since the default interval of 15 s makes four scrapes a
 * minute.
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
