import type { FamilySpec } from "../metrics/interner.ts";
import type { Attribute, Kind, Point } from "../metrics/model.ts";
import { type HeaderLine, type LineLimits, lexLine, type SampleLine } from "./line.ts";
import { toNumber } from "./number.ts";

const LF = 10;

/** What the lexer found between one family's first line and the next family's. */
export interface Block {
  /** The position after the last line that was taken. */
  readonly end: number;
  /** The family and its numbers by column; undefined for a block without a usable point. */
  readonly spec: FamilySpec | undefined;
  readonly values: readonly number[];
  /**
   * Where in the page the number of each column stands, in the page's order. Undefined where the block has something
   * that a layout cannot say again: a bad line, a timestamp, a carriage return.
   */
  readonly holes: readonly Hole[] | undefined;
  /** Where the block's last sample line ends: what follows up to `end` is comments and blank lines. */
  readonly samplesEnd: number;
  readonly samples: number;
  readonly badLines: number;
  readonly fault: { readonly position: number; readonly reason: string } | undefined;
}

export interface Hole {
  readonly start: number;
  readonly end: number;
  readonly column: number;
}

interface Sample extends SampleLine {
  readonly position: number;
  /** In the page, not in the line. */
  readonly start: number;
  readonly end: number;
}

const KINDS: Readonly<Record<string, Kind>> = {
  counter: "sum",
  gauge: "gauge",
  histogram: "histogram",
  summary: "summary",
  untyped: "unknown",
  unknown: "unknown",
};

/** The suffixes that lines of a kind may add to the family's name. */
export function childSuffixes(kind: Kind): readonly string[] {
  if (kind === "histogram") return ["_bucket", "_sum", "_count"];
  return kind === "summary" ? ["_sum", "_count"] : [];
}

export interface BlockOptions {
  readonly limits: LineLimits;
  /** Points past this number are left out and counted as bad lines. */
  readonly pointsMax: number;
}

/**
 * Lexes the block that begins at `start` of a page whose last byte before `end` is a line feed. The slow way, for
 * bytes not seen before: every check is here, so that none is needed when the same bytes come again.
 */
export function lexBlock(bytes: Uint8Array, start: number, end: number, options: BlockOptions): Block {
  const lexer = new BlockLexer(bytes, options);
  let pos = start;
  while (pos < end) {
    const lineEnd = bytes.indexOf(LF, pos);
    if (!lexer.take(pos, lineEnd)) break;
    pos = lineEnd + 1;
  }
  return lexer.finish(pos);
}

class BlockLexer {
  readonly #bytes: Uint8Array;
  readonly #options: BlockOptions;
  readonly #samples: Sample[] = [];
  #name: string | undefined;
  #kind: Kind | undefined;
  #help: string | undefined;
  #badLines = 0;
  #fault: Block["fault"];
  #repeatable = true;

  constructor(bytes: Uint8Array, options: BlockOptions) {
    this.#bytes = bytes;
    this.#options = options;
  }

  /** Takes the line, or says that it belongs to the next block. */
  take(start: number, end: number): boolean {
    if (end - start > this.#options.limits.lineBytesMax) return this.#bad(start, "line too long");
    const text = decodeLine(this.#bytes, start, end);
    if (text === undefined) return this.#bad(start, "not UTF-8");
    const line = lexLine(text, this.#options.limits);
    switch (line.type) {
      case "blank":
        return true;
      case "bad":
        return this.#bad(start, line.reason);
      case "header":
        return this.#header(line, start);
      case "sample":
        return this.#sample(line, text, start, end);
    }
  }

  #bad(position: number, reason: string): true {
    this.#badLines++;
    this.#repeatable = false;
    this.#fault ??= { position, reason };
    return true;
  }

  #header(line: HeaderLine, start: number): boolean {
    if (this.#samples.length > 0 || (this.#name !== undefined && this.#name !== line.name)) return false;
    this.#name = line.name;
    if (line.word === "HELP") {
      if (this.#help !== undefined) return this.#bad(start, "second HELP");
      this.#help = line.text;
      return true;
    }
    if (this.#kind !== undefined) return this.#bad(start, "second TYPE");
    const kind = KINDS[line.text];
    if (kind === undefined) return this.#bad(start, "unknown TYPE");
    this.#kind = kind;
    return true;
  }

  #sample(line: SampleLine, text: string, start: number, end: number): boolean {
    this.#name ??= line.name;
    if (!belongs(line.name, this.#name, this.#kind ?? "unknown")) return false;
    if (this.#samples.length >= this.#options.pointsMax) return this.#bad(start, "too many samples");
    const skipped =
      text.length === end - start ? line.numberStart : Buffer.byteLength(text.slice(0, line.numberStart));
    const numberStart = start + skipped;
    const numberEnd = numberStart + line.numberEnd - line.numberStart;
    // A number that is not followed by its line feed has a timestamp, a blank or a carriage return behind it.
    if (numberEnd !== end) this.#repeatable = false;
    this.#samples.push({ ...line, position: start, start: numberStart, end: numberEnd });
    return true;
  }

  finish(end: number): Block {
    const kind = this.#kind ?? "unknown";
    const compound = kind === "histogram" || kind === "summary";
    const columns = compound
      ? assembleCompound(this.#name ?? "", kind, this.#samples)
      : assembleSimple(this.#samples);
    for (const { sample, reason } of columns.rejected) this.#bad(sample.position, reason);
    const { points, placed } = columns;
    const last = this.#samples.at(-1);
    const spec =
      this.#name === undefined || points.length === 0
        ? undefined
        : { name: this.#name, kind, unit: "", help: this.#help ?? "", points };
    return {
      end,
      spec,
      values: placed.toSorted((a, b) => a.column - b.column).map(({ sample }) => sample.value),
      holes: this.#repeatable
        ? placed.toSorted((a, b) => a.sample.start - b.sample.start).map(toHole)
        : undefined,
      samplesEnd: last === undefined ? end : this.#bytes.indexOf(LF, last.end) + 1,
      samples: placed.length,
      badLines: this.#badLines,
      fault: this.#fault,
    };
  }
}

interface Placed {
  readonly sample: Sample;
  readonly column: number;
}

function toHole({ sample, column }: Placed): Hole {
  return { start: sample.start, end: sample.end, column };
}

interface Columns {
  readonly points: readonly Point[];
  readonly placed: readonly Placed[];
  readonly rejected: readonly { readonly sample: Sample; readonly reason: string }[];
}

function belongs(sampleName: string, name: string, kind: Kind): boolean {
  if (sampleName === name) return kind !== "histogram";
  return sampleName.startsWith(name) && childSuffixes(kind).includes(sampleName.slice(name.length));
}

function assembleSimple(samples: readonly Sample[]): Columns {
  const points: Point[] = [];
  const placed: Placed[] = [];
  const rejected: { sample: Sample; reason: string }[] = [];
  const seen = new Set<string>();
  for (const sample of samples) {
    const key = seriesKey(sample.attributes);
    if (seen.has(key)) {
      rejected.push({ sample, reason: "series twice in one page" });
      continue;
    }
    seen.add(key);
    placed.push({ sample, column: points.length });
    points.push({ attributes: sample.attributes, bounds: [], boundTexts: [] });
  }
  return { points, placed, rejected };
}

/** The lines of one histogram or summary point. */
interface Compound {
  readonly attributes: readonly Attribute[];
  readonly bounds: { readonly value: number; readonly text: string; readonly sample: Sample }[];
  infinite?: Sample;
  sum?: Sample;
  count?: Sample;
  readonly samples: Sample[];
  fault?: string;
}

function assembleCompound(name: string, kind: "histogram" | "summary", samples: readonly Sample[]): Columns {
  const compounds = new Map<string, Compound>();
  const rejected: { sample: Sample; reason: string }[] = [];
  const boundLabel = kind === "histogram" ? "le" : "quantile";
  for (const sample of samples) {
    const suffix = sample.name.slice(name.length);
    const isBound = suffix === "_bucket" || suffix === "";
    const attributes = isBound
      ? sample.attributes.filter(({ key }) => key !== boundLabel)
      : sample.attributes;
    const key = seriesKey(attributes);
    const compound = compounds.get(key) ?? { attributes, bounds: [], samples: [] };
    compounds.set(key, compound);
    compound.samples.push(sample);
    if (isBound) addBound(compound, kind, sample, boundLabel);
    else addTotal(compound, suffix === "_sum" ? "sum" : "count", sample);
  }
  const points: Point[] = [];
  const placed: Placed[] = [];
  let column = 0;
  for (const compound of compounds.values()) {
    const ordered = orderCompound(compound, kind);
    if (typeof ordered === "string") {
      for (const sample of compound.samples) rejected.push({ sample, reason: ordered });
      continue;
    }
    for (const sample of ordered) placed.push({ sample, column: column++ });
    const { attributes, bounds } = compound;
    points.push({
      attributes,
      bounds: bounds.map((bound) => bound.value),
      boundTexts: bounds.map((bound) => bound.text),
    });
  }
  return { points, placed, rejected };
}

function addBound(compound: Compound, kind: "histogram" | "summary", sample: Sample, label: string): void {
  const text = sample.attributes.find(({ key }) => key === label)?.value;
  const value = text === undefined ? undefined : toNumber(text);
  if (text === undefined || value === undefined || Number.isNaN(value)) {
    compound.fault ??= `no usable ${label}`;
  } else if (kind === "histogram" && value === Infinity) {
    if (compound.infinite !== undefined) compound.fault ??= "second +Inf bucket";
    compound.infinite = sample;
  } else compound.bounds.push({ value, text, sample });
}

function addTotal(compound: Compound, total: "sum" | "count", sample: Sample): void {
  if (compound[total] !== undefined) compound.fault ??= `second _${total}`;
  compound[total] = sample;
}

/** The samples of a point in the order of its columns, or why there is no point. Sorts the bounds. */
function orderCompound(compound: Compound, kind: "histogram" | "summary"): readonly Sample[] | string {
  if (compound.fault !== undefined) return compound.fault;
  const { bounds, infinite, sum, count } = compound;
  if (sum === undefined || count === undefined) return `${kind} without its _sum and _count`;
  bounds.sort((a, b) => a.value - b.value);
  if (bounds.some((bound, index) => index > 0 && bound.value === bounds[index - 1]?.value))
    return "bound twice";
  const parts = bounds.map((bound) => bound.sample);
  if (kind === "summary") return [...parts, sum, count];
  return infinite === undefined ? "histogram without its +Inf bucket" : [...parts, infinite, sum, count];
}

/** Labels make a series whatever their order. */
function seriesKey(attributes: readonly Attribute[]): string {
  if (attributes.length === 0) return "";
  const pairs = attributes.map(({ key, value }) => `${key}=${value.length}:${value}`);
  return (attributes.length === 1 ? pairs : pairs.sort()).join(",");
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function decodeLine(bytes: Uint8Array, start: number, end: number): string | undefined {
  try {
    return utf8.decode(bytes.subarray(start, end));
  } catch {
    return undefined;
  }
}
