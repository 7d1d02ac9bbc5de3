// SPDX-License-Identifier: Apache-2.0
import type { Family } from "../../metrics/model.ts";
import { createPageSource, type PageSource } from "./page_source.ts";
import { type ParserOptions, ParserState } from "./parser_state.ts";

/** Parses pages of many sources. The sources share names, labels, help and layouts: everything but the numbers. */
export class PageParser {
  readonly #state: ParserState;

  constructor(options: ParserOptions) {
    this.#state = new ParserState(options);
  }

  /**
   * Makes a source whose readings begin with `ownFamilies`. A family of its pages that has the name of one of these is
   * left out.
   */
  source(ownFamilies: readonly Family[]): PageSource {
    return createPageSource(this.#state, ownFamilies);
  }

  /**
   * Begins the next round. It is called once per collection interval. Layouts that were on no page for some rounds are
   * forgotten.
   */
  nextRound(): void {
    this.#state.layouts.nextRound();
  }

  /**
   * Begins the next minute: the limits on the blocks and samples that are lexed in one minute start again for each
   * source.
   */
  nextMinute(): void {
    this.#state.minute++;
  }

  get layoutCount(): number {
    return this.#state.layouts.count;
  }

  /** An estimate of the bytes of memory that the layouts and their families take. */
  get layoutBytes(): number {
    return this.#state.layouts.bytes;
  }

  /** The number of blocks that were lexed since the start because no layout fitted. */
  get slowBlocks(): number {
    return this.#state.work.slowBlocks;
  }

  /** The bytes of the lines that were lexed since the start. */
  get slowBytes(): number {
    return this.#state.work.slowBytes;
  }

  /** The bytes that were compared since the start with layouts which did not fit. */
  get triedBytes(): number {
    return this.#state.work.triedBytes;
  }
}
