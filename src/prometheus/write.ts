// Hot path: npm run bench -- write. Indices are in range by construction, which `as number` tells the compiler.

import type { LinePlan } from "./line_plan.ts";
import { type Literal, OVERRUN, writeLiteral } from "./literal.ts";
import { NUMBER_BYTES_MAX, writeNumber } from "./write_number.ts";

/** One family of one resource on the page. */
export interface Member {
  /** The resource's labels. */
  readonly suffix: Literal;
  readonly values: Float64Array;
  /** Where the family's numbers begin. */
  readonly offset: number;
  /** What follows each number: a line feed, with a timestamp before it where those are wanted. */
  readonly tail: Literal;
}

/** The resources that show a family with the same points. */
export interface Section {
  readonly plan: LinePlan;
  readonly members: readonly Member[];
}

/** Everything under one name: its header, then all its lines, since a family must stay together. */
export interface NamedFamily {
  readonly header: Literal;
  readonly sections: readonly Section[];
}

/**
 * Lines run over this many resources before the next line of the family begins. Neighbours then share their prefix, and
 * a resource's labels come again within 32 KB: gzip finds both. More resources would push them out of its window.
 */
const TILE = 100;

/** Fills one buffer after another with the page. */
export class PageWriter {
  readonly #steps: Generator<number, void, Buffer>;

  constructor(families: readonly NamedFamily[], end: Literal | undefined) {
    this.#steps = writePage(families, end);
    this.#steps.next();
  }

  /**
   * Writes the next part of the page into `chunk` and returns its length; 0 when the page is at its end. A chunk must
   * hold a header and `TILE` lines: 128 KiB do for lines of 1,200 bytes, and longer ones go in smaller tiles.
   */
  fill(chunk: Buffer): number {
    const step = this.#steps.next(chunk);
    return step.done === true ? 0 : step.value;
  }
}

/** Yields the length of what it wrote into the chunk that the last `next` brought; the first `next` brings none. */
function* writePage(
  families: readonly NamedFamily[],
  end: Literal | undefined,
): Generator<number, void, Buffer> {
  let out: Buffer = yield 0;
  let view = viewOf(out);
  let pos = 0;
  for (const { header, sections } of families) {
    if (pos + header.bytes.length + OVERRUN > out.length) {
      out = yield pos;
      view = viewOf(out);
      pos = 0;
    }
    pos = writeLiteral(out, view, pos, header);
    for (const { plan, members } of sections) {
      const lineBytesMax = plan.bytesMax + longestTail(members) + NUMBER_BYTES_MAX + OVERRUN;
      const tile = Math.max(1, Math.min(TILE, Math.floor(out.length / lineBytesMax)));
      for (let first = 0; first < members.length; first += tile) {
        const last = Math.min(first + tile, members.length);
        for (let line = 0; line < plan.prefixes.length; line++) {
          if (pos + (last - first) * lineBytesMax > out.length) {
            out = yield pos;
            view = viewOf(out);
            pos = 0;
          }
          pos = writeRun(out, view, pos, {
            prefix: plan.prefixes[line] as Literal,
            members,
            first,
            last,
            line,
          });
        }
      }
    }
  }
  if (end !== undefined) {
    if (pos + end.bytes.length + OVERRUN > out.length) {
      out = yield pos;
      view = viewOf(out);
      pos = 0;
    }
    pos = writeLiteral(out, view, pos, end);
  }
  if (pos > 0) yield pos;
}

interface Run {
  readonly prefix: Literal;
  readonly members: readonly Member[];
  readonly first: number;
  readonly last: number;
  readonly line: number;
}

/** One line of the family, of one resource after the other. */
function writeRun(out: Buffer, view: DataView, start: number, run: Run): number {
  const { prefix, members, first, last, line } = run;
  let pos = start;
  for (let i = first; i < last; i++) {
    const member = members[i] as Member;
    pos = writeLiteral(out, view, pos, prefix);
    pos = writeLiteral(out, view, pos, member.suffix);
    pos = writeNumber(out, pos, member.values[member.offset + line] as number);
    pos = writeLiteral(out, view, pos, member.tail);
  }
  return pos;
}

function longestTail(members: readonly Member[]): number {
  let longest = 0;
  for (const { suffix, tail } of members)
    longest = Math.max(longest, suffix.bytes.length + tail.bytes.length);
  return longest;
}

function viewOf(chunk: Buffer): DataView {
  return new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
