// Hot path: npm run bench -- parse. Indices are in range by construction, which `as number` tells the compiler.

import type { FamilySpec, Interner } from "../metrics/interner.ts";
import type { Family, Schema } from "../metrics/model.ts";
import { type Block, childSuffixes, lexBlock } from "./block.ts";
import { createLayout, type Layout, matchLayout, type PageBytes } from "./layout.ts";
import type { LineLimits } from "./line.ts";

const LF = 10;
const SPACE = 32;
const HASH = 35;
const UPPER_E = 69;
const UPPER_H = 72;
const UPPER_T = 84;
const UPPER_Y = 89;

/** What a page, and what all pages together, may bring. Exceeding one costs the excess, which is counted. */
export interface ParseLimits extends LineLimits {
  /** Families of one page; real pages have up to 75. */
  readonly familiesMax: number;
  /** Samples of one page; the largest real page recorded has 1,888. */
  readonly samplesMax: number;
  /** Distinct block layouts kept for all sandboxes; a thousand sandboxes hold a few hundred. */
  readonly layoutsMax: number;
  /** Layouts that one sandbox may add per round: a first scrape needs one per family, later ones hardly any. */
  readonly newLayoutsPerRoundMax: number;
}

export const defaultParseLimits: ParseLimits = {
  lineBytesMax: 16 * 1024,
  nameBytesMax: 256,
  labelsMax: 32,
  labelValueBytesMax: 1024,
  familiesMax: 1_000,
  samplesMax: 50_000,
  layoutsMax: 10_000,
  newLayoutsPerRoundMax: 300,
};

/** A layout that no page showed in this many rounds is forgotten. */
const ROUNDS_KEPT = 8;
/** Layouts with one header that are tried before the page is lexed instead; sandboxes differ in disks and RPC actions. */
const VARIANTS_TRIED_MAX = 16;
/** As far as the header is hashed; names differ well before. */
const HASHED_BYTES_MAX = 96;

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
  /** Lines that are no good by themselves. */
  readonly badLines: number;
  /** Lines that were left out because a limit was reached. */
  readonly skippedLines: number;
  readonly firstFault: { readonly line: number; readonly reason: string } | undefined;
  /** The last line has no line feed: unless the page is known to be whole, its number may be cut. */
  readonly unterminated: boolean;
}

export interface PageSource {
  /**
   * Parses a page of `length` bytes at the start of `page`, which must be longer by at least one byte: that one is
   * overwritten. Nothing of `page` is kept. Never throws.
   */
  parse(page: Uint8Array, length: number): Page;
}

/** A name that a family takes on a page, with those of its child series. */
interface NameRecord {
  /** The page that took it last. */
  page: number;
  lastRound: number;
}

interface Known {
  readonly layout: Layout;
  readonly record: FamilyRecord;
  readonly names: readonly NameRecord[];
  readonly group: Group;
  lastRound: number;
}

/** A family as the parser meets it. */
interface FamilyRecord {
  readonly family: Family;
  /** The page on which it stood last, and where in that page's scratch its numbers begin. */
  page: number;
  offset: number;
  lastRound: number;
}

/** The layouts whose header hashes alike. */
interface Group {
  readonly index: number;
  readonly known: Known[];
}

/** Parses pages of many sources and shares between them what they have in common: everything but the numbers. */
export class PageParser {
  readonly options: ParserOptions;
  readonly #groups = new Map<number, Group>();
  readonly #names = new Map<string, NameRecord>();
  readonly #records = new Map<Family, FamilyRecord>();
  #nextGroup = 0;
  #layouts = 0;
  #round = 0;
  #page = 0;
  /** Blocks that were lexed because no layout matched. */
  slowBlocks = 0;
  /** Numbers of the page at work, in its order. One page is parsed at a time, so all sources share it. */
  scratch: Float64Array = new Float64Array(4_096);

  constructor(options: ParserOptions) {
    this.options = options;
  }

  get layoutCount(): number {
    return this.#layouts;
  }

  get round(): number {
    return this.#round;
  }

  /** A source whose readings begin with `ownFamilies`; a page cannot bring families of their names. */
  source(ownFamilies: readonly Family[]): PageSource {
    return new Source(this, ownFamilies);
  }

  /** Begins the next round, once per collection interval: forgets what no page showed for some rounds. */
  nextRound(): void {
    const oldest = ++this.#round - ROUNDS_KEPT;
    for (const [hash, group] of this.#groups) {
      const kept = group.known.filter((known) => known.lastRound >= oldest);
      this.#layouts -= group.known.length - kept.length;
      if (kept.length === 0) this.#groups.delete(hash);
      else group.known.splice(0, Number.POSITIVE_INFINITY, ...kept);
    }
    for (const [name, record] of this.#names) if (record.lastRound < oldest) this.#names.delete(name);
    for (const [family, record] of this.#records) if (record.lastRound < oldest) this.#records.delete(family);
  }

  /** The number of the next page, which tells this page's marks from all earlier ones. */
  nextPage(): number {
    return ++this.#page;
  }

  group(hash: number): Group | undefined {
    return this.#groups.get(hash);
  }

  namesOf({ name, kind }: Family): NameRecord[] {
    return [name, ...childSuffixes(kind).map((suffix) => name + suffix)].map((taken) => {
      const record = this.#names.get(taken) ?? { page: 0, lastRound: this.#round };
      this.#names.set(taken, record);
      record.lastRound = this.#round;
      return record;
    });
  }

  recordOf(spec: FamilySpec): FamilyRecord {
    const family = this.options.interner.family({ ...spec, name: this.options.rename(spec.name) });
    const record = this.#records.get(family) ?? { family, page: 0, offset: 0, lastRound: this.#round };
    this.#records.set(family, record);
    record.lastRound = this.#round;
    return record;
  }

  /** Keeps the layout of a block that was lexed; undefined when there are too many. */
  remember(hash: number, layout: Layout, record: FamilyRecord): Known | undefined {
    const group = this.#groups.get(hash) ?? { index: this.#nextGroup++, known: [] };
    const twin = group.known.find((known) => Buffer.compare(known.layout.literal, layout.literal) === 0);
    if (twin !== undefined) return twin;
    if (this.#layouts >= this.options.limits.layoutsMax) return undefined;
    this.#groups.set(hash, group);
    const known = { layout, record, names: this.namesOf(record.family), group, lastRound: this.#round };
    group.known.push(known);
    this.#layouts++;
    return known;
  }

  ensureScratch(length: number): Float64Array {
    if (this.scratch.length < length) {
      const larger = new Float64Array(length * 2);
      larger.set(this.scratch);
      this.scratch = larger;
    }
    return this.scratch;
  }
}

class Source implements PageSource {
  readonly #parser: PageParser;
  readonly #ownFamilies: readonly Family[];
  readonly #ownWidth: number;
  /** By a group's index: the layout of it that this source showed last. */
  readonly #last: (Known | undefined)[] = [];
  /** The families of the last page by id, and their schema. */
  #records: readonly FamilyRecord[] = [];
  #schema: Schema;
  #newLayouts = 0;
  #newLayoutsRound = 0;

  // Of the page at work.
  #page = 0;
  #found: FamilyRecord[] = [];
  #width = 0;
  #samples = 0;
  #badLines = 0;
  #skippedLines = 0;
  #fault: { position: number; reason: string } | undefined;

  constructor(parser: PageParser, ownFamilies: readonly Family[]) {
    this.#parser = parser;
    this.#ownFamilies = ownFamilies;
    this.#schema = parser.options.interner.schema(ownFamilies);
    this.#ownWidth = this.#schema.width;
  }

  parse(bytes: Uint8Array, length: number): Page {
    const unterminated = length > 0 && bytes[length - 1] !== LF;
    if (unterminated) bytes[length] = LF;
    const end = unterminated ? length + 1 : length;
    const page: PageBytes = {
      bytes,
      view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      end,
    };
    this.#begin();
    let pos = 0;
    while (pos < end) {
      if (this.#found.length >= this.#parser.options.limits.familiesMax)
        return this.#stop(page, pos, unterminated);
      if (this.#samples >= this.#parser.options.limits.samplesMax) return this.#stop(page, pos, unterminated);
      const hash = hashHeader(bytes, pos);
      const after = this.#known(page, pos, hash);
      pos = after >= 0 ? after : this.#lex(page, pos, hash);
    }
    return this.#finish(bytes, unterminated);
  }

  #begin(): void {
    this.#page = this.#parser.nextPage();
    this.#found = [];
    this.#width = 0;
    this.#samples = 0;
    this.#badLines = 0;
    this.#skippedLines = 0;
    this.#fault = undefined;
    for (const family of this.#ownFamilies)
      for (const name of this.#parser.namesOf(family)) name.page = this.#page;
  }

  /** Reads the block at `start` with a layout that is known, and returns its end, or -1 where none matches. */
  #known(page: PageBytes, start: number, hash: number): number {
    const group = this.#parser.group(hash);
    if (group === undefined) return -1;
    const last = this.#last[group.index];
    if (last !== undefined) {
      const end = this.#match(page, start, last);
      if (end >= 0) return end;
    }
    const tried = Math.min(group.known.length, VARIANTS_TRIED_MAX);
    for (let i = 1; i <= tried; i++) {
      const known = group.known[group.known.length - i] as Known;
      if (known === last) continue;
      const end = this.#match(page, start, known);
      if (end < 0) continue;
      this.#last[group.index] = known;
      return end;
    }
    return -1;
  }

  #match(page: PageBytes, start: number, known: Known): number {
    const { layout, record } = known;
    const scratch = this.#parser.ensureScratch(this.#width + record.family.width);
    const end = matchLayout(page, start, layout, scratch, this.#width);
    if (end < 0 || !endsBlock(page, end)) return -1;
    known.lastRound = this.#parser.round;
    if (this.#claim(record, known.names)) this.#samples += layout.lengths.length;
    else {
      this.#badLines += layout.lengths.length;
      this.#fault ??= { position: start, reason: "family twice in one page" };
    }
    return end;
  }

  /** Marks the family as this page's; false when it, or a series name of it, already is. */
  #claim(record: FamilyRecord, names: readonly NameRecord[]): boolean {
    for (let i = 0; i < names.length; i++) if ((names[i] as NameRecord).page === this.#page) return false;
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as NameRecord;
      name.page = this.#page;
      name.lastRound = this.#parser.round;
    }
    record.page = this.#page;
    record.offset = this.#width;
    record.lastRound = this.#parser.round;
    this.#width += record.family.width;
    this.#found.push(record);
    return true;
  }

  #lex(page: PageBytes, start: number, hash: number): number {
    const parser = this.#parser;
    parser.slowBlocks++;
    const { limits } = parser.options;
    const block = lexBlock(page.bytes, start, page.end, {
      limits,
      pointsMax: limits.samplesMax - this.#samples,
    });
    this.#badLines += block.badLines;
    this.#fault ??= block.fault;
    if (block.spec === undefined) return block.end;
    const record = parser.recordOf(block.spec);
    const scratch = parser.ensureScratch(this.#width + record.family.width);
    const offset = this.#width;
    const names = this.#remember(page, start, hash, { block, record });
    if (!this.#claim(record, names)) {
      this.#badLines += block.samples;
      this.#fault ??= { position: start, reason: "family twice in one page" };
      return block.end;
    }
    for (const [column, value] of block.values.entries()) scratch[offset + column] = value;
    this.#samples += block.samples;
    return block.samplesEnd;
  }

  /** Keeps the block's layout where that is possible and allowed. Returns the names that the family takes. */
  #remember(
    page: PageBytes,
    start: number,
    hash: number,
    lexed: { block: Block; record: FamilyRecord },
  ): readonly NameRecord[] {
    const { block, record } = lexed;
    const parser = this.#parser;
    if (this.#newLayoutsRound !== parser.round) {
      this.#newLayoutsRound = parser.round;
      this.#newLayouts = 0;
    }
    const allowed = this.#newLayouts < parser.options.limits.newLayoutsPerRoundMax;
    if (block.holes === undefined || !allowed) return parser.namesOf(record.family);
    const known = parser.remember(hash, toLayout(page.bytes, start, block, record.family), record);
    if (known === undefined) return parser.namesOf(record.family);
    this.#newLayouts++;
    this.#last[known.group.index] = known;
    return known.names;
  }

  /** A limit is reached: the rest of the page is counted and left. */
  #stop(page: PageBytes, start: number, unterminated: boolean): Page {
    const { bytes, end } = page;
    for (let pos = start; pos < end; pos = bytes.indexOf(LF, pos) + 1)
      if (bytes[pos] !== HASH) this.#skippedLines++;
    this.#fault ??= { position: start, reason: "more families or samples than the limit" };
    return this.#finish(bytes, unterminated);
  }

  #finish(bytes: Uint8Array, unterminated: boolean): Page {
    if (!this.#sameFamilies()) {
      this.#records = this.#found.toSorted((a, b) => a.family.id - b.family.id);
      const families = this.#records.map((record) => record.family);
      this.#schema = this.#parser.options.interner.schema([...this.#ownFamilies, ...families]);
    }
    const values = new Float64Array(this.#schema.width);
    const { scratch } = this.#parser;
    let column = this.#ownWidth;
    for (let i = 0; i < this.#records.length; i++) {
      const { offset, family } = this.#records[i] as FamilyRecord;
      const until = offset + family.width;
      for (let at = offset; at < until; at++) values[column++] = scratch[at] as number;
    }
    const fault = this.#fault;
    return {
      schema: this.#schema,
      values,
      samples: this.#samples,
      badLines: this.#badLines,
      skippedLines: this.#skippedLines,
      firstFault:
        fault === undefined ? undefined : { line: lineAt(bytes, fault.position), reason: fault.reason },
      unterminated,
    };
  }

  #sameFamilies(): boolean {
    const records = this.#records;
    if (records.length !== this.#found.length) return false;
    for (let i = 0; i < records.length; i++)
      if ((records[i] as FamilyRecord).page !== this.#page) return false;
    return true;
  }
}

/** Hashes what begins the block and holds no number: its header line, or the name where it has no header. */
function hashHeader(bytes: Uint8Array, start: number): number {
  const last = bytes[start] === HASH ? LF : SPACE;
  let hash = 0;
  for (let pos = start; pos < start + HASHED_BYTES_MAX; pos++) {
    const byte = bytes[pos] as number;
    if (byte === last || byte === LF) break;
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  return hash;
}

/** Whether the line at `pos` surely belongs to another family: the page's end, or a HELP or TYPE line. */
function endsBlock({ bytes, end }: PageBytes, pos: number): boolean {
  if (pos >= end) return true;
  if (bytes[pos] !== HASH || bytes[pos + 1] !== SPACE) return false;
  const third = bytes[pos + 2];
  return third === UPPER_H ? bytes[pos + 3] === UPPER_E : third === UPPER_T && bytes[pos + 3] === UPPER_Y;
}

function toLayout(bytes: Uint8Array, start: number, block: Block, family: Family): Layout {
  const holes = block.holes ?? [];
  const lengths = new Int32Array(holes.length);
  const parts: Uint8Array[] = [];
  let pos = start;
  for (const [index, hole] of holes.entries()) {
    lengths[index] = hole.start - pos;
    parts.push(bytes.subarray(pos, hole.start));
    pos = hole.end;
  }
  const columns = Int32Array.from(holes, (hole) => hole.column);
  return createLayout(Uint8Array.from(Buffer.concat(parts)), lengths, columns, family);
}

function lineAt(bytes: Uint8Array, position: number): number {
  let line = 1;
  for (let pos = bytes.indexOf(LF); pos >= 0 && pos < position; pos = bytes.indexOf(LF, pos + 1)) line++;
  return line;
}
