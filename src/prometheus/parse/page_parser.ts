// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- parse. Indices are in range by construction, which `as` tells the compiler.

import type { Interner } from "../../metrics/interner.ts";
import { type Family, type Kind, type Point, pointWidth, type Schema } from "../../metrics/model.ts";
import { type Block, LeftOut, lexBlock } from "./block.ts";
import { type FamilyRecord, FamilyRecords, type NameMark } from "./family_record.ts";
import { Charged, type KnownLayout, KnownLayouts, type LayoutOwner } from "./known_layouts.ts";
import { type Kept, KnownSeries } from "./known_series.ts";
import { createLayout, matchLayout, type PageBytes } from "./layout.ts";
import type { Limit } from "./limit.ts";
import { type LineRules, lineEnd, skipIdleLines, startsHeader } from "./line.ts";
import type { ParseLimits } from "./parse_limits.ts";
import { FORGED, HostPart, type Origin, type PageTrust, TRUST_ALL } from "./trust.ts";

const LF = 10;
const SPACE = 32;
const HASH = 35;

/** Layouts of one header that are tried before the block is lexed: sandboxes differ in disks and RPC actions. */
const VARIANTS_TRIED_MAX = 16;
/** As far as a block's first line is hashed; names differ well before. */
const HASHED_BYTES_MAX = 96;
/** Bytes of one page that are compared in vain, after which only the likeliest layouts of a block are tried. */
const TRIED_BYTES_MAX = 256 * 1024;

/** What the agent knows a family by that a page has. */
export interface FamilyDefinition {
  readonly name: string;
  /** Another one than the page's only where both are scalar. */
  readonly kind: Kind;
  /** Undefined for what the page says. */
  readonly help: string | undefined;
  /** Whether the page's TYPE is a fault. */
  readonly hasWrongKind: boolean;
}

export interface ParserOptions {
  readonly interner: Interner;
  readonly limits: ParseLimits;
  /** Says what a family is known by. */
  define?(name: string, kind: Kind): FamilyDefinition;
  /** Why a page's samples of this metric cannot have this label; undefined where they can. */
  labelFault?(name: string, label: string): string | undefined;
}

/** What one page said. */
export interface Page {
  /** The source's own families first, then the page's by id. */
  readonly schema: Schema;
  /** The own families' columns are 0, for the caller to fill before it hands the numbers on. */
  readonly values: Float64Array;
  /** Sample lines that became numbers. */
  readonly samples: number;
  /** Lines that are no good by themselves, or that claim a name which is not theirs. */
  readonly badLines: number;
  /** Lines that were left out because a limit was reached. */
  readonly skippedLines: number;
  /** The limits for which lines were left out. */
  readonly limits: ReadonlySet<Limit>;
  /** Bad and skipped lines by reason. */
  readonly reasons: ReadonlyMap<string, number>;
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
  parse(page: Uint8Array, length: number, trust?: PageTrust): Page;
  /**
   * Sets the families that readings begin with from now on, and returns the last page's schema with them. The last page's
   * numbers go with it where the families are as wide as those before.
   */
  beginWith(ownFamilies: readonly Family[]): Schema;
}

/** Parses pages of many sources and shares between them what they have in common: everything but the numbers. */
export class PageParser {
  readonly #shared: Shared;

  constructor(options: ParserOptions) {
    const { limits } = options;
    this.#shared = {
      options,
      define: (name, kind) => options.define?.(name, kind) ?? asWritten(name, kind),
      lineRules: { ...limits, labelFault: (name, label) => options.labelFault?.(name, label) },
      layouts: new KnownLayouts(limits),
      records: new FamilyRecords(options.interner),
      scratch: new Float64Array(4_096),
      page: 0,
      minute: 0,
      slowBlocks: 0,
      slowBytes: 0,
      triedBytes: 0,
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

  /** Begins the next minute: each source may bring new layouts again. */
  nextMinute(): void {
    this.#shared.minute++;
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

  /** Bytes of the lines that were lexed, since the start. */
  get slowBytes(): number {
    return this.#shared.slowBytes;
  }

  /** Bytes that were compared with layouts which did not fit, since the start. */
  get triedBytes(): number {
    return this.#shared.triedBytes;
  }
}

/** What all sources use. One page is parsed at a time, so that they can. */
interface Shared {
  readonly options: ParserOptions;
  define(name: string, kind: Kind): FamilyDefinition;
  readonly lineRules: LineRules;
  readonly layouts: KnownLayouts;
  readonly records: FamilyRecords;
  /** Numbers of the page at work, in its order. */
  scratch: Float64Array;
  /** Counts pages, so that a mark of this page differs from all earlier ones. */
  page: number;
  minute: number;
  slowBlocks: number;
  slowBytes: number;
  triedBytes: number;
}

/** A family of the page at work that is the host's as far as is known. */
interface HostClaim {
  readonly record: FamilyRecord;
  readonly start: number;
  readonly samples: number;
}

class Source implements PageSource, LayoutOwner {
  readonly #shared: Shared;
  #ownFamilies: readonly Family[] = [];
  #ownNames: readonly NameMark[] = [];
  #ownWidth = 0;
  readonly charged = new Charged();
  #trust = TRUST_ALL;
  /** What the trust says of each family. */
  #origins = new WeakMap<FamilyRecord, Origin | { readonly reason: string }>();
  /** Blocks and samples that were lexed in that minute. */
  #lexed = 0;
  #lexedSamples = 0;
  #lexMinute = 0;
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
  #newBytes = 0;
  #triedBytes = 0;
  #leftOut = new LeftOut();
  readonly #series: KnownSeries;
  readonly #hostPart = new HostPart();
  #hostClaims: HostClaim[] = [];

  constructor(shared: Shared, ownFamilies: readonly Family[]) {
    this.#shared = shared;
    this.#series = new KnownSeries(shared.options.limits.seriesMax);
    this.#schema = shared.options.interner.schema([]);
    this.beginWith(ownFamilies);
  }

  beginWith(ownFamilies: readonly Family[]): Schema {
    if (ownFamilies === this.#ownFamilies) return this.#schema;
    const { records } = this.#shared;
    this.#ownFamilies = ownFamilies;
    this.#ownNames = ownFamilies.flatMap((family) => records.of(family).names);
    this.#ownWidth = ownFamilies.reduce((width, family) => width + family.width, 0);
    this.#schema = this.#schemaOf(this.#records);
    return this.#schema;
  }

  parse({ buffer, byteOffset, byteLength }: Uint8Array, length: number, trust = TRUST_ALL): Page {
    const bytes = Buffer.from(buffer, byteOffset, byteLength);
    const unterminated = length > 0 && bytes[length - 1] !== LF;
    if (unterminated) bytes[length] = LF;
    const end = unterminated ? length + 1 : length;
    const view = new DataView(buffer, byteOffset, byteLength);
    const page: PageBytes = { bytes, view, end };
    this.#begin(trust);
    let pos = skipIdleLines(bytes, 0, end);
    let limit = this.#limitReached();
    while (pos < end && limit === undefined) {
      pos = this.#block(page, pos);
      limit = this.#limitReached();
    }
    if (pos < end && limit !== undefined) {
      this.#skipRest(page, pos, limit);
      this.#breakHostPart();
    }
    return this.#finish(bytes, unterminated);
  }

  #begin(trust: PageTrust): void {
    if (trust !== this.#trust) this.#origins = new WeakMap();
    this.#trust = trust;
    this.#hostPart.begin(trust);
    this.#hostClaims = [];
    const page = ++this.#shared.page;
    for (const name of this.#ownNames) name.page = page;
    this.#blocks = [];
    this.#found = [];
    this.#width = 0;
    this.#samples = 0;
    this.#newBytes = 0;
    this.#triedBytes = 0;
    this.#leftOut = new LeftOut();
  }

  /** The limit on the whole page that is reached, if one is. */
  #limitReached(): "blocks" | "samples" | "bad_lines" | undefined {
    const { blocksMax, samplesMax, badLinesMax } = this.#shared.options.limits;
    if (this.#blocks.length >= blocksMax) return "blocks";
    if (this.#samples >= samplesMax) return "samples";
    return this.#leftOut.lines >= badLinesMax ? "bad_lines" : undefined;
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
    if (end >= 0) return end;
    const limit = this.#limitOnNew();
    return limit === undefined ? this.#lex(page, start, hash) : this.#skipBlock(page, start, limit);
  }

  /** The limit on what is new that is reached, if one is: noise is read for a part of each page and minute only. */
  #limitOnNew(): "new_bytes" | "new_layouts_per_minute" | "new_samples_per_minute" | undefined {
    const { minute, options } = this.#shared;
    const { newBytesMax, newLayoutsPerMinuteMax, newSamplesPerMinuteMax } = options.limits;
    if (this.#lexMinute !== minute) {
      this.#lexed = 0;
      this.#lexedSamples = 0;
    }
    this.#lexMinute = minute;
    if (this.#lexed >= newLayoutsPerMinuteMax) return "new_layouts_per_minute";
    if (this.#lexedSamples >= newSamplesPerMinuteMax) return "new_samples_per_minute";
    return this.#newBytes >= newBytesMax ? "new_bytes" : undefined;
  }

  /** Counts and leaves what stands up to the next header line that follows a sample. */
  #skipBlock({ bytes, end }: PageBytes, start: number, limit: Limit): number {
    let samples = 0;
    let pos = start;
    while (pos < end) {
      const isHeader = startsHeader(bytes, pos);
      if (isHeader && samples > 0) break;
      if (!isHeader) samples++;
      pos = skipIdleLines(bytes, lineEnd(bytes, pos) + 1, end);
    }
    this.#blocks.push(undefined);
    this.#breakHostPart();
    const per = limit === "new_bytes" ? "page" : "minute";
    this.#leftOut.addSkipped(limit, { position: start, reason: `too much that is new in a ${per}` }, samples);
    return pos;
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
    // Variants that differ near their end only would be compared whole, again and again.
    const oldest = Math.max(0, known.length - VARIANTS_TRIED_MAX);
    for (let i = known.length - 1; i >= oldest && this.#triedBytes < TRIED_BYTES_MAX; i--) {
      const end = known[i] === last ? -1 : this.#match(page, start, known[i] as KnownLayout);
      if (end >= 0) return end;
    }
    return -1;
  }

  /** Reads the block at `start` by its layout. Returns its end, or -1 where it is, or may be, a different block. */
  #match(page: PageBytes, start: number, known: KnownLayout): number {
    const { layout } = known;
    const samples = layout.lengths.length;
    if (known.forgotten || this.#samples + samples > this.#shared.options.limits.samplesMax) return -1;
    const scratch = this.#scratch(samples);
    const last = matchLayout(page, start, layout, scratch, this.#width);
    if (last < 0) return this.#noteTried(~last - start);
    const end = skipIdleLines(page.bytes, last, page.end);
    // Only a HELP or TYPE line surely begins another block; a sample may be one more of this family.
    if (end < page.end && page.bytes[end] !== HASH) return this.#noteTried(end - start);
    this.#shared.layouts.show(known, this);
    this.#blocks.push(known);
    this.#claim(known, start, samples);
    return end;
  }

  #noteTried(bytes: number): -1 {
    this.#triedBytes += bytes;
    this.#shared.triedBytes += bytes;
    return -1;
  }

  /** Reads the block at `start` by its grammar, and remembers its layout where that is possible and allowed. */
  #lex(page: PageBytes, start: number, hash: number): number {
    const shared = this.#shared;
    const { limits } = shared.options;
    const block = lexBlock(page.bytes, start, page.end, {
      rules: shared.lineRules,
      samplesMax: Math.min(
        limits.samplesMax - this.#samples,
        limits.newSamplesPerMinuteMax - this.#lexedSamples,
      ),
      badLinesMax: limits.badLinesMax - this.#leftOut.lines,
      bytesMax: limits.newBytesMax - this.#newBytes,
    });
    shared.slowBlocks++;
    shared.slowBytes += block.lexedBytes;
    this.#newBytes += block.lexedBytes;
    this.#lexed++;
    this.#lexedSamples += block.values.length;
    this.#leftOut.merge(block.leftOut);
    if (block.spec === undefined) {
      this.#blocks.push(undefined);
      this.#leaveOutLateHeaders(block, start);
      return block.end;
    }
    const { name, kind } = block.spec;
    const { hasWrongKind, help = block.spec.help, ...known } = shared.define(name, kind);
    const record = shared.records.intern({ ...block.spec, ...known, help });
    // A layout would not tell again that the TYPE is wrong.
    this.#blocks.push(hasWrongKind ? undefined : this.#remember(page, start, hash, { block, record, name }));
    this.#scratch(block.values.length).set(block.values, this.#width);
    const isTaken = this.#claim({ record, name }, start, block.values.length);
    if (isTaken && hasWrongKind)
      this.#leftOut.addBad({ position: start, reason: "TYPE other than the known one" });
    return block.end;
  }

  /** Header lines without samples that come after the samples of their family would have said what those are. */
  #leaveOutLateHeaders({ name, headers }: Block, start: number): void {
    const { define, records, page } = this.#shared;
    if (!records.isOnPage(define(name, "unknown").name, page)) return;
    this.#leftOut.addBad({ position: start, reason: "HELP or TYPE after the family's samples" }, headers);
  }

  #remember(
    { bytes }: PageBytes,
    start: number,
    hash: number,
    { block, record, name }: { block: Block; record: FamilyRecord; name: string },
  ): KnownLayout | undefined {
    if (block.holes === undefined) return undefined;
    const layout = createLayout(bytes, start, block.holes);
    return this.#shared.layouts.add(hash, layout, { record, name, owner: this });
  }

  /** Makes the numbers at the scratch's end this page's; not where the family is not the page's to define, or is there already. */
  #claim({ record, name }: { record: FamilyRecord; name: string }, start: number, samples: number): boolean {
    const origin = this.#originOf(record);
    if (typeof origin !== "string") {
      this.#leftOut.addBad({ position: start, reason: origin.reason }, samples);
      return false;
    }
    const standing = this.#hostPart.meet(origin, name);
    if (standing === "restarted") this.#revokeHostClaims();
    if (standing === "forged") {
      this.#leftOut.addBad({ position: start, reason: FORGED }, samples);
      return false;
    }
    const { page } = this.#shared;
    const { names } = record;
    for (let i = 0; i < names.length; i++) {
      if ((names[i] as NameMark).page !== page) continue;
      this.#leftOut.addBad({ position: start, reason: "family twice in one page" }, samples);
      return false;
    }
    for (let i = 0; i < names.length; i++) (names[i] as NameMark).page = page;
    record.page = page;
    record.offset = this.#width;
    record.start = start;
    this.#width += record.family.width;
    this.#samples += samples;
    this.#found.push(record);
    if (origin === "host" && this.#trust.hostPart === "last")
      this.#hostClaims.push({ record, start, samples });
    return true;
  }

  #originOf(record: FamilyRecord): Origin | { readonly reason: string } {
    let origin = this.#origins.get(record);
    if (origin === undefined) {
      origin = this.#trust.originOf(record.family.name, record.family.kind);
      this.#origins.set(record, origin);
    }
    return origin;
  }

  /** Something was left unread: if the host's part comes last, what was taken for it may not be it. */
  #breakHostPart(): void {
    if (this.#trust.hostPart === "last") this.#revokeHostClaims();
  }

  /** What was taken for the host's was the guest's. */
  #revokeHostClaims(): void {
    const revoked = new Set<FamilyRecord>();
    for (const { record, start, samples } of this.#hostClaims) {
      revoked.add(record);
      record.page = 0;
      for (const name of record.names) name.page = 0;
      this.#samples -= samples;
      this.#leftOut.addBad({ position: start, reason: FORGED }, samples);
    }
    this.#found = this.#found.filter((record) => !revoked.has(record));
    this.#hostClaims = [];
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
  #skipRest({ bytes, end }: PageBytes, start: number, limit: Limit): void {
    let lines = 0;
    for (let pos = start; pos < end; pos = lineEnd(bytes, pos) + 1) {
      const byte = bytes[pos] as number;
      if (byte !== LF && byte !== HASH) lines++;
    }
    this.#leftOut.addSkipped(limit, { position: start, reason: "a limit on the page is reached" }, lines);
  }

  #finish(bytes: Uint8Array, unterminated: boolean): Page {
    this.#previous = this.#blocks;
    if (!this.#sameFamilies()) {
      this.#leaveOutNewSeries();
      this.#records = this.#found.toSorted((a, b) => a.family.id - b.family.id);
      this.#schema = this.#schemaOf(this.#records);
    }
    const { bad, skipped, limits, reasons, first } = this.#leftOut;
    return {
      schema: this.#schema,
      values: this.#values(),
      samples: this.#samples,
      badLines: bad,
      skippedLines: skipped,
      limits,
      reasons,
      firstFault: first && { line: lineAt(bytes, first.position), reason: first.reason },
      unterminated,
    };
  }

  /** Of families that differ from the last page's, keeps what is known or new within the limit. */
  #leaveOutNewSeries(): void {
    this.#found = this.#found.flatMap((record) => {
      const kept = this.#series.admit(record.family);
      return kept === undefined ? [record] : this.#reduce(record, kept);
    });
  }

  /** The family with these points only, whose numbers are put behind all others. */
  #reduce({ family, offset, start, page }: FamilyRecord, kept: Kept): FamilyRecord[] {
    const { kind, points } = family;
    const columns: number[] = [];
    let column = offset;
    let next = 0;
    for (const [index, point] of points.entries()) {
      const end = column + pointWidth(kind, point.bounds.length);
      const isKept = kept[next] === index;
      if (isKept) next++;
      while (column < end) {
        if (isKept) columns.push(column);
        column++;
      }
    }
    const lost = family.width - columns.length;
    this.#samples -= lost;
    const reason = "series beyond those that one sandbox can bring";
    this.#leftOut.addSkipped("series", { position: start, reason }, lost);
    if (columns.length === 0) return [];
    const scratch = this.#scratch(columns.length);
    const reduced = this.#shared.records.intern({
      ...family,
      points: kept.map((index) => points[index] as Point),
    });
    reduced.page = page;
    reduced.offset = this.#width;
    for (const from of columns) scratch[this.#width++] = scratch[from] as number;
    return [reduced];
  }

  #schemaOf(records: readonly FamilyRecord[]): Schema {
    const families = records.map((record) => record.family);
    return this.#shared.options.interner.schema([...this.#ownFamilies, ...families]);
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

function asWritten(name: string, kind: Kind): FamilyDefinition {
  return { name, kind, help: undefined, hasWrongKind: false };
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

/** The number of the line of that position, counted from 1. */
export function lineAt(bytes: Uint8Array, position: number): number {
  let line = 1;
  for (let pos = 0; pos < position; pos++) if (bytes[pos] === LF) line++;
  return line;
}
