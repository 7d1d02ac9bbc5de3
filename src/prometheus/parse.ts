// Hot path: npm run bench -- parse. Indices are in range by construction, which `as` tells the compiler.

import type { Interner } from "../metrics/interner.ts";
import type { Family, Schema } from "../metrics/model.ts";
import { type Block, earlier, type Fault, lexBlock } from "./block.ts";
import { type FamilyRecord, FamilyRecords, type NameMark } from "./family_record.ts";
import { type KnownLayout, KnownLayouts, type LayoutLimits, type LayoutOwner } from "./known_layouts.ts";
import { createLayout, matchLayout, type PageBytes } from "./layout.ts";
import { type LineLimits, skipIdleLines } from "./line.ts";

const LF = 10;
const SPACE = 32;
const HASH = 35;

/** Layouts of one header that are tried before the block is lexed: sandboxes differ in disks and RPC actions. */
const VARIANTS_TRIED_MAX = 16;
/** As far as a block's first line is hashed; names differ well before. */
const HASHED_BYTES_MAX = 96;

/** What a page, and what all pages together, may bring. What exceeds a limit is left out and counted, never obeyed. */
export interface ParseLimits extends LineLimits, LayoutLimits {
  /** Family blocks of one page, good or bad; the rest of the page is left out. Honest pages have up to 80. */
  readonly blocksMax: number;
  /** Sample lines of one page; the rest is left out. The largest page recorded has 1,888. */
  readonly samplesMax: number;
  /** Bad or overlong lines of one page; past them the rest is left out. It bounds the time that noise can take. */
  readonly badLinesMax: number;
}

export const defaultParseLimits: ParseLimits = {
  lineBytesMax: 16 * 1024,
  nameBytesMax: 256,
  labelsMax: 32,
  labelValueBytesMax: 1_024,
  blocksMax: 1_000,
  samplesMax: 20_000,
  badLinesMax: 1_000,
  layoutBytesMax: 64 * 1024 ** 2,
  layoutBytesPerSourceMax: 4 * 1024 ** 2,
};

export interface ParserOptions {
  readonly interner: Interner;
  readonly limits: ParseLimits;
  /** Gives families the name under which the agent knows them. Called once per new layout. */
  rename(name: string): string;
}

/** What one page said. */
export interface Page {
  /** The source's own families first, then the page's by id. */
  readonly schema: Schema;
  /** The own families' columns are 0, for the caller to fill before it hands the numbers on. */
  readonly values: Float64Array;
  /** Sample lines that became numbers. */
  readonly samples: number;
  /** Lines that are no good by themselves, or that claim a name which the page or the source has already. */
  readonly badLines: number;
  /** Lines that were left out because a limit was reached. */
  readonly skippedLines: number;
  /** The first line that was left out, counted from 1, and why. */
  readonly firstFault: { readonly line: number; readonly reason: string } | undefined;
  /** The last line had no line feed: unless the page is known to be whole, its number may be cut. */
  readonly unterminated: boolean;
}

/** One whose pages are parsed again and again: a sandbox. */
export interface PageSource {
  /**
   * Parses a page of `length` bytes at the start of `page`, which must be longer by at least one byte: that one may be
   * overwritten. Nothing of `page` is kept. Never throws.
   */
  parse(page: Uint8Array, length: number): Page;
}

/** Parses pages of many sources and shares between them what they have in common: everything but the numbers. */
export class PageParser {
  readonly #shared: Shared;

  constructor(options: ParserOptions) {
    this.#shared = {
      options,
      layouts: new KnownLayouts(options.limits),
      records: new FamilyRecords(options.interner),
      scratch: new Float64Array(4_096),
      page: 0,
      slowBlocks: 0,
    };
  }

  /** A source whose readings begin with `ownFamilies`; a page cannot bring families of their names. */
  source(ownFamilies: readonly Family[]): PageSource {
    return new Source(this.#shared, ownFamilies);
  }

  /** Begins the next round, once per collection interval: forgets what no page showed for some rounds. */
  nextRound(): void {
    this.#shared.layouts.nextRound();
  }

  get layoutCount(): number {
    return this.#shared.layouts.count;
  }

  /** About what the layouts and their families take. */
  get layoutBytes(): number {
    return this.#shared.layouts.bytes;
  }

  /** Blocks that were lexed because no layout fitted, since the start. */
  get slowBlocks(): number {
    return this.#shared.slowBlocks;
  }
}

/** What all sources use. One page is parsed at a time, so that they can. */
interface Shared {
  readonly options: ParserOptions;
  readonly layouts: KnownLayouts;
  readonly records: FamilyRecords;
  /** Numbers of the page at work, in its order. */
  scratch: Float64Array;
  /** Counts pages, so that a mark of this page differs from all earlier ones. */
  page: number;
  slowBlocks: number;
}

class Source implements PageSource, LayoutOwner {
  readonly #shared: Shared;
  readonly #ownFamilies: readonly Family[];
  readonly #ownNames: readonly NameMark[];
  readonly #ownWidth: number;
  layoutBytes = 0;
  /** The families of the last page by id, and their schema. */
  #records: readonly FamilyRecord[] = [];
  #schema: Schema;
  /** The layout of each block of the last page, undefined for a block without: most come again at their place. */
  #previous: (KnownLayout | undefined)[] = [];

  // Of the page at work.
  #blocks: (KnownLayout | undefined)[] = [];
  #found: FamilyRecord[] = [];
  #width = 0;
  #samples = 0;
  #badLines = 0;
  #skippedLines = 0;
  #fault: Fault | undefined;

  constructor(shared: Shared, ownFamilies: readonly Family[]) {
    this.#shared = shared;
    this.#ownFamilies = ownFamilies;
    this.#ownNames = ownFamilies.flatMap((family) => shared.records.of(family).names);
    this.#schema = shared.options.interner.schema(ownFamilies);
    this.#ownWidth = this.#schema.width;
  }

  parse(bytes: Uint8Array, length: number): Page {
    const unterminated = length > 0 && bytes[length - 1] !== LF;
    if (unterminated) bytes[length] = LF;
    const end = unterminated ? length + 1 : length;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const page: PageBytes = { bytes, view, end };
    this.#begin();
    let pos = skipIdleLines(bytes, 0, end);
    while (pos < end && this.#hasRoom()) pos = this.#block(page, pos);
    if (pos < end) this.#skipRest(page, pos);
    return this.#finish(bytes, unterminated);
  }

  #begin(): void {
    const page = ++this.#shared.page;
    for (const name of this.#ownNames) name.page = page;
    this.#blocks = [];
    this.#found = [];
    this.#width = 0;
    this.#samples = 0;
    this.#badLines = 0;
    this.#skippedLines = 0;
    this.#fault = undefined;
  }

  #hasRoom(): boolean {
    const { blocksMax, samplesMax, badLinesMax } = this.#shared.options.limits;
    return (
      this.#blocks.length < blocksMax &&
      this.#samples < samplesMax &&
      this.#badLines + this.#skippedLines < badLinesMax
    );
  }

  /** Reads the block at `start`, one way or the other, and returns where the next one begins. */
  #block(page: PageBytes, start: number): number {
    const expected = this.#previous[this.#blocks.length];
    if (expected !== undefined) {
      const end = this.#match(page, start, expected);
      if (end >= 0) return end;
    }
    const hash = hashFirstLine(page.bytes, start);
    const end = this.#matchOther(page, start, hash);
    return end >= 0 ? end : this.#lex(page, start, hash);
  }

  /** Tries the layouts that begin like this block, the one that this source showed last before the others. */
  #matchOther(page: PageBytes, start: number, hash: number): number {
    const group = this.#shared.layouts.group(hash);
    if (group === undefined) return -1;
    const last = this.#previous.find((known) => known?.group === group);
    if (last !== undefined) {
      const end = this.#match(page, start, last);
      if (end >= 0) return end;
    }
    const { known } = group;
    const oldest = Math.max(0, known.length - VARIANTS_TRIED_MAX);
    for (let i = known.length - 1; i >= oldest; i--) {
      const end = known[i] === last ? -1 : this.#match(page, start, known[i] as KnownLayout);
      if (end >= 0) return end;
    }
    return -1;
  }

  /** Reads the block at `start` by its layout. Returns its end, or -1 where it is, or may be, a different block. */
  #match(page: PageBytes, start: number, known: KnownLayout): number {
    const { layout, record } = known;
    const samples = layout.lengths.length;
    if (known.forgotten || this.#samples + samples > this.#shared.options.limits.samplesMax) return -1;
    const scratch = this.#scratch(samples);
    const last = matchLayout(page, start, layout, scratch, this.#width);
    if (last < 0) return -1;
    const end = skipIdleLines(page.bytes, last, page.end);
    // Only a HELP or TYPE line surely begins another block; a sample may be one more of this family.
    if (end < page.end && page.bytes[end] !== HASH) return -1;
    known.lastRound = this.#shared.layouts.round;
    this.#blocks.push(known);
    this.#claim(record, start, samples);
    return end;
  }

  /** Reads the block at `start` by its grammar, and remembers its layout where that is possible and allowed. */
  #lex(page: PageBytes, start: number, hash: number): number {
    const shared = this.#shared;
    const { limits, rename } = shared.options;
    const block = lexBlock(page.bytes, start, page.end, {
      limits,
      samplesMax: limits.samplesMax - this.#samples,
      badLinesMax: limits.badLinesMax - this.#badLines - this.#skippedLines,
    });
    shared.slowBlocks++;
    this.#badLines += block.badLines;
    this.#skippedLines += block.skippedLines;
    this.#fault = earlier(this.#fault, block.fault);
    if (block.spec === undefined) {
      this.#blocks.push(undefined);
      return block.end;
    }
    const record = shared.records.intern({ ...block.spec, name: rename(block.spec.name) });
    this.#blocks.push(this.#remember(page, start, hash, { block, record }));
    this.#scratch(block.values.length).set(block.values, this.#width);
    this.#claim(record, start, block.values.length);
    return block.end;
  }

  #remember(
    { bytes }: PageBytes,
    start: number,
    hash: number,
    { block, record }: { block: Block; record: FamilyRecord },
  ): KnownLayout | undefined {
    if (block.holes === undefined) return undefined;
    return this.#shared.layouts.add(hash, createLayout(bytes, start, block.holes), { record, owner: this });
  }

  /** Makes the numbers at the scratch's end this page's, unless one of the family's names already is. */
  #claim(record: FamilyRecord, start: number, samples: number): void {
    const { page } = this.#shared;
    const { names } = record;
    for (let i = 0; i < names.length; i++) {
      if ((names[i] as NameMark).page !== page) continue;
      this.#badLines += samples;
      this.#fault = earlier(this.#fault, { position: start, reason: "family twice in one page" });
      return;
    }
    for (let i = 0; i < names.length; i++) (names[i] as NameMark).page = page;
    record.page = page;
    record.offset = this.#width;
    this.#width += record.family.width;
    this.#samples += samples;
    this.#found.push(record);
  }

  /** The scratch, with room for so many more numbers. */
  #scratch(samples: number): Float64Array {
    const shared = this.#shared;
    const length = this.#width + samples;
    if (shared.scratch.length < length) {
      const larger = new Float64Array(length * 2);
      larger.set(shared.scratch);
      shared.scratch = larger;
    }
    return shared.scratch;
  }

  /** A limit is reached: the rest of the page is counted and left. */
  #skipRest({ bytes, end }: PageBytes, start: number): void {
    let atLineStart = true;
    for (let pos = start; pos < end; pos++) {
      const byte = bytes[pos] as number;
      if (atLineStart && byte !== LF && byte !== HASH) this.#skippedLines++;
      atLineStart = byte === LF;
    }
    this.#fault = earlier(this.#fault, { position: start, reason: "a limit on the page is reached" });
  }

  #finish(bytes: Uint8Array, unterminated: boolean): Page {
    this.#previous = this.#blocks;
    if (!this.#sameFamilies()) {
      this.#records = this.#found.toSorted((a, b) => a.family.id - b.family.id);
      const families = this.#records.map((record) => record.family);
      this.#schema = this.#shared.options.interner.schema([...this.#ownFamilies, ...families]);
    }
    const fault = this.#fault;
    return {
      schema: this.#schema,
      values: this.#values(),
      samples: this.#samples,
      badLines: this.#badLines,
      skippedLines: this.#skippedLines,
      firstFault: fault && { line: lineAt(bytes, fault.position), reason: fault.reason },
      unterminated,
    };
  }

  /** Whether this page has the families of the last one. */
  #sameFamilies(): boolean {
    const records = this.#records;
    if (records.length !== this.#found.length) return false;
    const { page } = this.#shared;
    for (let i = 0; i < records.length; i++) if ((records[i] as FamilyRecord).page !== page) return false;
    return true;
  }

  /** The page's numbers in the schema's order. */
  #values(): Float64Array {
    const values = new Float64Array(this.#schema.width);
    const { scratch } = this.#shared;
    const records = this.#records;
    let column = this.#ownWidth;
    for (let i = 0; i < records.length; i++) {
      const { offset, family } = records[i] as FamilyRecord;
      const end = offset + family.width;
      for (let at = offset; at < end; at++) values[column++] = scratch[at] as number;
    }
    return values;
  }
}

/** Hashes what begins the block and holds no number: its header line, or the series where it has no header. */
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

function lineAt(bytes: Uint8Array, position: number): number {
  let line = 1;
  for (let pos = 0; pos < position; pos++) if (bytes[pos] === LF) line++;
  return line;
}
