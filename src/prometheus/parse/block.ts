// SPDX-License-Identifier: Apache-2.0
import type { FamilySpec } from "../../metrics/interner.ts";
import type { Kind } from "../../metrics/model.ts";
import { childSuffixes } from "../series/suffixes.ts";
import { LeftOutLines } from "./left_out_lines.ts";
import type { Limit } from "./limit.ts";
import {
  type HeaderLine,
  type LineRules,
  lexLine,
  type SampleLine,
  skipIdleLines,
  startsHeader,
} from "./line.ts";
import { assemblePoints } from "./points.ts";

const LF = 10;

/** The lines of one family, as the lexer read them: from the family's first line to before the next family's. */
export interface Block {
  /** The position of the next block's first line, or of the line before which a limit stopped the lexer. */
  readonly end: number;
  /** The family's name by its HELP and TYPE lines, or else by its first sample; empty if no line has a name. */
  readonly name: string;
  /** The number of the block's HELP and TYPE lines, without those that were left out. */
  readonly headers: number;
  /** The family; undefined if the block has no usable point. */
  readonly spec: FamilySpec | undefined;
  /** The number of bytes in the lines that were lexed. The time for a block is nearly proportional to it. */
  readonly lexedBytes: number;
  /** The family's numbers by column. */
  readonly values: readonly number[];
  /**
   * The places of the numbers, in the order of the page. Undefined if the block cannot have a layout, because a limit
   * cut it, a line was left out, or a timestamp, a blank or a carriage return follows a number.
   */
  readonly spans: readonly NumberSpan[] | undefined;
  readonly leftOut: LeftOutLines;
}

/** The place of one number on the page, and its column in the family. */
export interface NumberSpan {
  readonly start: number;
  readonly end: number;
  readonly column: number;
}

/** Rules and limits of one block. */
export interface BlockOptions {
  readonly rules: LineRules;
  /** The lexer ends the block early when the block has this many samples. */
  readonly samplesMax: number;
  /** The lexer ends the block early when this many of its lines were left out. */
  readonly badLinesMax: number;
  /** The lexer ends the block early, at the next line, when it has lexed this many bytes. */
  readonly bytesMax: number;
}

/**
 * Lexes the block that begins at `start`. The last byte before `end` must be a line feed. This is slow, and only for
 * blocks that no known layout fits. Every check is made here, so that a block that fits a layout needs none.
 */
export function lexBlock(bytes: Buffer, start: number, end: number, options: BlockOptions): Block {
  const lexer = new BlockLexer(bytes, options);
  let pos = start;
  while (pos < end && lexer.hasRoom) {
    const stop = bytes.indexOf(LF, pos);
    if (!lexer.take(pos, stop)) break;
    pos = skipIdleLines(bytes, stop + 1, end);
  }
  return lexer.finish(pos);
}

interface Sample extends SampleLine {
  /** The position of the number's first byte on the page. */
  readonly start: number;
  /** The position after the number's last byte. */
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

class BlockLexer {
  readonly #bytes: Buffer;
  readonly #options: BlockOptions;
  readonly #samples: Sample[] = [];
  #name: string | undefined;
  #kind: Kind | undefined;
  #help: string | undefined;
  #headers = 0;
  readonly #leftOut = new LeftOutLines();
  #lexedBytes = 0;
  #repeatable = true;

  constructor(bytes: Buffer, options: BlockOptions) {
    this.#bytes = bytes;
    this.#options = options;
  }

  get hasRoom(): boolean {
    const { samplesMax, badLinesMax, bytesMax } = this.#options;
    return (
      this.#samples.length < samplesMax && this.#leftOut.lines < badLinesMax && this.#lexedBytes < bytesMax
    );
  }

  /**
   * Adds the line to the block, or leaves it out, and returns true. Returns false if the line belongs to the next
   * block.
   */
  take(start: number, end: number): boolean {
    // Even a malformed HELP or TYPE line ends the block, since a layout ends its block before any such line, too.
    if (this.#samples.length > 0 && startsHeader(this.#bytes, start)) return false;
    if (end - start > this.#options.rules.lineBytesMax)
      return this.#leaveOut(start, "line too long", "line_bytes");
    this.#lexedBytes += end - start;
    const text = decodeLine(this.#bytes, start, end);
    if (text === undefined) return this.#leaveOut(start, "not UTF-8");
    const line = lexLine(text, this.#options.rules);
    if (line.type === "header") return this.#header(line, start);
    if (line.type === "sample") return this.#sample(line, { text, start, end });
    return this.#leaveOut(start, line.reason, line.type === "overlong" ? line.limit : undefined);
  }

  #leaveOut(position: number, reason: string, limit?: Limit): true {
    if (limit === undefined) this.#leftOut.addBad({ position, reason });
    else this.#leftOut.addSkipped(limit, { position, reason });
    this.#repeatable = false;
    return true;
  }

  #header(line: HeaderLine, start: number): boolean {
    if (this.#name !== undefined && this.#name !== line.name) return false;
    this.#name = line.name;
    if (line.word === "HELP") {
      if (this.#help !== undefined) return this.#leaveOut(start, "second HELP of one family");
      this.#help = line.text;
    } else {
      if (this.#kind !== undefined) return this.#leaveOut(start, "second TYPE of one family");
      this.#kind = Object.hasOwn(KINDS, line.text) ? KINDS[line.text] : undefined;
      if (this.#kind === undefined) return this.#leaveOut(start, "TYPE that the text format does not have");
    }
    this.#headers++;
    return true;
  }

  #sample(line: SampleLine, place: { text: string; start: number; end: number }): boolean {
    const { text, start, end } = place;
    this.#name ??= line.name;
    if (!belongs(line.name, this.#name, this.#kind ?? "unknown")) return false;
    const before = text.slice(0, line.numberStart);
    const isAscii = text.length === end - start;
    const numberStart = start + (isAscii ? before.length : Buffer.byteLength(before));
    const numberEnd = numberStart + line.numberEnd - line.numberStart;
    // Between a number and its line feed may be a timestamp, a blank or a carriage return. No layout can have these.
    if (numberEnd !== end) this.#repeatable = false;
    this.#samples.push({ ...line, start: numberStart, end: numberEnd });
    return true;
  }

  finish(end: number): Block {
    if (!this.hasRoom) this.#repeatable = false;
    const name = this.#name ?? "";
    const kind = this.#kind ?? "unknown";
    const { points, columns, rejected } = assemblePoints(name, kind, this.#samples);
    for (const { sample, reason } of rejected) this.#leaveOut(sample.start, reason);
    return {
      end,
      name,
      headers: this.#headers,
      lexedBytes: this.#lexedBytes,
      spec: points.length === 0 ? undefined : { name, kind, unit: "", help: this.#help ?? "", points },
      values: columns.map(({ value }) => value),
      spans: this.#repeatable ? toSpans(columns) : undefined,
      leftOut: this.#leftOut,
    };
  }
}

function toSpans(columns: readonly Sample[]): NumberSpan[] {
  return columns.map(({ start, end }, column) => ({ start, end, column })).sort((a, b) => a.start - b.start);
}

function belongs(sampleName: string, name: string, kind: Kind): boolean {
  if (sampleName === name) return kind !== "histogram";
  return sampleName.startsWith(name) && childSuffixes(kind).includes(sampleName.slice(name.length));
}

/** This decoder keeps a byte order mark, so that its line is rejected: the mark cannot begin a metric's name. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeLine(bytes: Uint8Array, start: number, end: number): string | undefined {
  try {
    return utf8.decode(bytes.subarray(start, end));
  } catch {
    return undefined;
  }
}
