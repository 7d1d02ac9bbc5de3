// SPDX-License-Identifier: Apache-2.0
import type { LayoutLimits } from "./known_layouts.ts";
import type { LineLimits } from "./line.ts";

/** What a page, and what all pages together, may bring. What exceeds a limit is left out and counted, never obeyed. */
export interface ParseLimits extends LineLimits, LayoutLimits {
  /** Family blocks of one page, good or bad; the rest of the page is left out. Honest pages have up to 80. */
  readonly blocksMax: number;
  /** Sample lines of one page; the rest is left out. The largest page recorded has 1,888. */
  readonly samplesMax: number;
  /** Bad or overlong lines of one page; past them the rest is left out. It bounds the time that noise can take. */
  readonly badLinesMax: number;
  /**
   * Bytes of one page that are lexed because no layout fits them; further blocks without one are left out, to be read next
   * time. A first page is lexed whole, and the largest recorded has 124,806 bytes. It bounds the time of one page: reading
   * a byte so takes up to 100 times as long as one that is known.
   */
  readonly newBytesMax: number;
  /** Blocks without a known layout that are read in one minute, of each source; further ones are left out. */
  readonly newLayoutsPerMinuteMax: number;
  /** Sample lines of such blocks. Reading one takes 50 times as long as one that is known. */
  readonly newSamplesPerMinuteMax: number;
  /** Distinct series that one source brings over its life; past them those that are known go on. */
  readonly seriesMax: number;
}

/**
 * Above what honest pages have, and below what the readers of the agent's page set as limits of theirs. A minute may bring
 * as much that is new as four whole pages, one for each scrape at the default interval.
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
