// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- parse. Indices are in range by construction, which `as` tells the compiler.

import { type Block, lexBlock } from "./block.ts";
import type { NameMark } from "./family_record.ts";
import { FoundFamilies, type MetFamily } from "./found_families.ts";
import type { KnownLayout, LayoutOwner } from "./known_layouts.ts";
import { createLayout, matchLayout, type PageBytes } from "./layout.ts";
import { LeftOutLines } from "./left_out_lines.ts";
import type { LexedInMinute } from "./lexed_in_minute.ts";
import type { Limit } from "./limit.ts";
import { lineEnd, skipIdleLines, startsHeader } from "./line.ts";
import type { ParserState } from "./parser_state.ts";
import type { PageTrust } from "./trust.ts";

const LF = 10;
const SPACE = 32;
const HASH = 35;

/**
 * The most layouts with the same first line that are tried for one block. A family has several layouts, since sandboxes
 * differ in disks and RPC actions.
 */
const VARIANTS_TRIED_MAX = 16;
/** The most bytes of a block's first line that are hashed. The names of families differ well before. */
const HASHED_BYTES_MAX = 96;
/**
 * After this many bytes of a page were compared with layouts that did not fit, only the layouts of the source's last
 * page are tried. So the time that a hostile page can take is bounded.
 */
const TRIED_BYTES_MAX = 256 * 1024;

/** The layout of each block of a page, in order; undefined for a block without one. */
export type BlockLayouts = readonly (KnownLayout | undefined)[];

/** The parts of a source that the reading of one page needs. */
export interface PageRunOptions {
  readonly trust: PageTrust;
  /**
   * The names of the families that the agent itself adds to each reading. A family of the page with one of these names
   * is left out.
   */
  readonly ownNames: readonly NameMark[];
  /** The layouts of the source's last page. Most blocks have the same layout at the same place again. */
  readonly previous: BlockLayouts;
  /** The source that is charged for new layouts. */
  readonly owner: LayoutOwner;
  readonly lexed: LexedInMinute;
}

/** Reads one page, block by block. */
export class PageRun {
  readonly families: FoundFamilies;
  readonly leftOut: LeftOutLines = new LeftOutLines();
  readonly layouts: (KnownLayout | undefined)[] = [];
  readonly #state: ParserState;
  readonly #page: PageBytes;
  readonly #previous: BlockLayouts;
  readonly #owner: LayoutOwner;
  readonly #lexed: LexedInMinute;
  #newBytes = 0;
  #triedBytes = 0;

  constructor(state: ParserState, page: PageBytes, options: PageRunOptions) {
    state.page++;
    this.#state = state;
    this.#page = page;
    this.#previous = options.previous;
    this.#owner = options.owner;
    this.#lexed = options.lexed;
    const { trust, ownNames } = options;
    this.families = new FoundFamilies(state, { trust, ownNames, leftOut: this.leftOut });
  }

  /** Reads the whole page, or up to the line at which a limit on the page is reached. */
  read(): void {
    const { bytes, end } = this.#page;
    let pos = skipIdleLines(bytes, 0, end);
    let limit = this.#limitReached();
    while (pos < end && limit === undefined) {
      pos = this.#block(pos);
      limit = this.#limitReached();
    }
    if (pos < end && limit !== undefined) this.#skipRest(pos, limit);
  }

  #limitReached(): "blocks" | "samples" | "bad_lines" | undefined {
    const { blocksMax, samplesMax, badLinesMax } = this.#state.limits;
    if (this.layouts.length >= blocksMax) return "blocks";
    if (this.families.samples >= samplesMax) return "samples";
    return this.leftOut.lines >= badLinesMax ? "bad_lines" : undefined;
  }

  /** Reads or skips the block at `start`, and returns where the next one begins. */
  #block(start: number): number {
    const expected = this.#previous[this.layouts.length];
    if (expected !== undefined) {
      const end = this.#match(start, expected);
      if (end >= 0) return end;
    }
    const hash = hashFirstLine(this.#page.bytes, start);
    const end = this.#matchOther(start, hash);
    if (end >= 0) return end;
    const limit = this.#limitOnNew();
    return limit === undefined ? this.#lex(start, hash) : this.#skipBlock(start, limit);
  }

  /**
   * Returns the limit on blocks without a fitting layout that is reached, on one page or in one minute; undefined if
   * none is.
   */
  #limitOnNew(): "new_bytes" | "new_layouts_per_minute" | "new_samples_per_minute" | undefined {
    const { newBytesMax, newLayoutsPerMinuteMax, newSamplesPerMinuteMax } = this.#state.limits;
    const lexed = this.#lexed;
    lexed.begin(this.#state.minute);
    if (lexed.blocks >= newLayoutsPerMinuteMax) return "new_layouts_per_minute";
    if (lexed.samples >= newSamplesPerMinuteMax) return "new_samples_per_minute";
    return this.#newBytes >= newBytesMax ? "new_bytes" : undefined;
  }

  /**
   * Counts and skips the lines up to the first HELP or TYPE line that follows a sample, where the next block begins.
   * Returns its position.
   */
  #skipBlock(start: number, limit: Limit): number {
    const { bytes, end } = this.#page;
    let samples = 0;
    let pos = start;
    while (pos < end) {
      const isHeader = startsHeader(bytes, pos);
      if (isHeader && samples > 0) break;
      if (!isHeader) samples++;
      pos = skipIdleLines(bytes, lineEnd(bytes, pos) + 1, end);
    }
    this.layouts.push(undefined);
    this.families.noteGap();
    const per = limit === "new_bytes" ? "page" : "minute";
    this.leftOut.addSkipped(limit, { position: start, reason: `too much that is new in a ${per}` }, samples);
    return pos;
  }

  /**
   * Tries the layouts whose first line has this hash, beginning with the one that the source's last page had. Returns
   * the block's end; -1 if none fits.
   */
  #matchOther(start: number, hash: number): number {
    const group = this.#state.layouts.group(hash);
    if (group === undefined) return -1;
    const last = this.#previous.find((known) => known?.group === group);
    if (last !== undefined) {
      const end = this.#match(start, last);
      if (end >= 0) return end;
    }
    const { known } = group;
    // The layouts and bytes that are tried are limited, since layouts that differ only near their end would be compared
    // nearly whole.
    const oldest = Math.max(0, known.length - VARIANTS_TRIED_MAX);
    for (let i = known.length - 1; i >= oldest && this.#triedBytes < TRIED_BYTES_MAX; i--) {
      const end = known[i] === last ? -1 : this.#match(start, known[i] as KnownLayout);
      if (end >= 0) return end;
    }
    return -1;
  }

  /**
   * Reads the block at `start` by the layout. Returns the block's end; -1 if the block differs from the layout, may go
   * on after it, or is beyond a limit, or if the layout is forgotten.
   */
  #match(start: number, known: KnownLayout): number {
    const { layout } = known;
    const { families } = this;
    const page = this.#page;
    const state = this.#state;
    const samples = layout.lengths.length;
    if (known.forgotten || families.samples + samples > state.limits.samplesMax) return -1;
    const { width } = families;
    const last = matchLayout(page, start, layout, state.scratch(width + samples), width);
    if (last < 0) return this.#noteTried(~last - start);
    const end = skipIdleLines(page.bytes, last, page.end);
    // The block surely ends here only if a HELP or TYPE line follows. A sample line may still belong to the block's
    // family.
    if (end < page.end && page.bytes[end] !== HASH) return this.#noteTried(end - start);
    state.layouts.show(known, this.#owner);
    this.layouts.push(known);
    families.take(known, start, samples);
    return end;
  }

  #noteTried(bytes: number): -1 {
    this.#triedBytes += bytes;
    this.#state.work.triedBytes += bytes;
    return -1;
  }

  /**
   * Lexes the block at `start`, remembers its layout if it can have one and no limit forbids it, and returns the
   * block's end.
   */
  #lex(start: number, hash: number): number {
    const state = this.#state;
    const { families, leftOut } = this;
    const { limits, work } = state;
    const lexed = this.#lexed;
    const { bytes, end } = this.#page;
    const block = lexBlock(bytes, start, end, {
      rules: state.lineRules,
      samplesMax: Math.min(
        limits.samplesMax - families.samples,
        limits.newSamplesPerMinuteMax - lexed.samples,
      ),
      badLinesMax: limits.badLinesMax - leftOut.lines,
      bytesMax: limits.newBytesMax - this.#newBytes,
    });
    work.slowBlocks++;
    work.slowBytes += block.lexedBytes;
    this.#newBytes += block.lexedBytes;
    lexed.blocks++;
    lexed.samples += block.values.length;
    leftOut.merge(block.leftOut);
    if (block.spec === undefined) {
      this.layouts.push(undefined);
      this.#leaveOutLateHeaders(block, start);
      return block.end;
    }
    const { name, kind } = block.spec;
    const { hasWrongKind, help = block.spec.help, ...definition } = state.define(name, kind);
    const record = state.records.intern({ ...block.spec, ...definition, help });
    const met = { record, name };
    // A block that fits a remembered layout is not lexed, so its wrong TYPE would not be counted on the next page.
    this.layouts.push(hasWrongKind ? undefined : this.#remember(start, hash, { block, met }));
    const { width } = families;
    state.scratch(width + block.values.length).set(block.values, width);
    const isTaken = families.take(met, start, block.values.length);
    if (isTaken && hasWrongKind) leftOut.addBad({ position: start, reason: "TYPE other than the known one" });
    return block.end;
  }

  /**
   * Counts the HELP and TYPE lines of a block without samples as bad if its family was earlier on the page: they come
   * too late to define it.
   */
  #leaveOutLateHeaders({ name, headers }: Block, start: number): void {
    const { records, page } = this.#state;
    if (!records.isOnPage(this.#state.define(name, "unknown").name, page)) return;
    this.leftOut.addBad({ position: start, reason: "HELP or TYPE after the family's samples" }, headers);
  }

  #remember(
    start: number,
    hash: number,
    { block, met }: { readonly block: Block; readonly met: MetFamily },
  ): KnownLayout | undefined {
    if (block.spans === undefined) return undefined;
    const layout = createLayout(this.#page.bytes, start, block.spans);
    return this.#state.layouts.add(hash, layout, { ...met, owner: this.#owner });
  }

  /** Counts and skips the rest of the page. */
  #skipRest(start: number, limit: Limit): void {
    const { bytes, end } = this.#page;
    let lines = 0;
    for (let pos = start; pos < end; pos = lineEnd(bytes, pos) + 1) {
      const byte = bytes[pos] as number;
      if (byte !== LF && byte !== HASH) lines++;
    }
    this.leftOut.addSkipped(limit, { position: start, reason: "a limit on the page is reached" }, lines);
    this.families.noteGap();
  }
}

/**
 * Hashes the start of a block without a number in it: the first HELP or TYPE line, or the first series if the block
 * begins with a sample.
 */
function hashFirstLine(bytes: Uint8Array, start: number): number {
  const last = bytes[start] === HASH ? LF : SPACE;
  let hash = 0;
  for (let pos = start; pos < start + HASHED_BYTES_MAX; pos++) {
    const byte = bytes[pos] as number;
    if (byte === last || byte === LF) break;
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  return hash;
}
