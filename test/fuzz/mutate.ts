// SPDX-License-Identifier: Apache-2.0
import { shuffled } from "../../src/simulator/random.ts";

/** Texts that have broken parsers of the format, or might. */
const NASTY = [
  "",
  "\n",
  "\r\n",
  "\0",
  "\ufeff",
  "\\",
  '"',
  "{",
  "}",
  "#",
  "# EOF\n",
  "# HELP\n",
  "# TYPE kata_shim_fds gauge\n",
  "# TYPE go_gc_duration_seconds histogram\n",
  " 1700000000000",
  ' # {trace_id="1"} 1',
  "NaN",
  "-Inf",
  "0x1p3",
  "1e999",
  "9".repeat(60),
  'le="+Inf"',
  'quantile="2"',
  "__name__",
  "é☃𐍈",
  "a".repeat(300),
  "{}".repeat(40),
];

type Mutation = (page: Buffer, random: () => number) => Buffer;

/** Returns an integer from 0 to `limit` - 1. */
export function below(limit: number, random: () => number): number {
  return Math.floor(random() * limit);
}

/** Returns one of the items. There must be at least one. */
export function pick<T>(items: readonly T[], random: () => number): T {
  return items[below(items.length, random)] as T; // every list here has items
}

function splice(page: Buffer, from: number, to: number, middle: Buffer): Buffer {
  return Buffer.concat([page.subarray(0, from), middle, page.subarray(to)]);
}

/** A mutation of the list of lines, or of the list of family blocks. */
function ofParts(separator: RegExp, change: (parts: string[], random: () => number) => void): Mutation {
  return (page, random) => {
    const parts = page.toString("latin1").split(separator);
    change(parts, random);
    return Buffer.from(parts.join(""), "latin1");
  };
}

const LINE = /(?<=\n)/;
const BLOCK = /(?=^# HELP)/m;

function remove(parts: string[], random: () => number): void {
  parts.splice(below(parts.length, random), 1);
}

function repeat(parts: string[], random: () => number): void {
  parts.splice(below(parts.length, random), 0, pick(parts, random));
}

function swap(parts: string[], random: () => number): void {
  const one = below(parts.length, random);
  const other = below(parts.length, random);
  [parts[one], parts[other]] = [parts[other] ?? "", parts[one] ?? ""];
}

function shuffle(parts: string[], random: () => number): void {
  parts.splice(0, parts.length, ...shuffled(parts, random));
}

const MUTATIONS: readonly Mutation[] = [
  (page, random) => {
    const at = below(page.length, random);
    return splice(page, at, at + 1, Buffer.from([below(256, random)]));
  },
  (page, random) => {
    const at = below(page.length + 1, random);
    return splice(page, at, at, Buffer.from(pick(NASTY, random)));
  },
  (page, random) => {
    const at = below(page.length, random);
    return splice(page, at, at + below(30, random), Buffer.alloc(0));
  },
  (page, random) => {
    const at = below(page.length, random);
    const from = below(page.length, random);
    return splice(page, at, at, page.subarray(from, from + below(400, random)));
  },
  (page, random) => page.subarray(0, below(page.length + 1, random)),
  (page, random) => {
    const lines = page.toString("latin1").split("\n");
    const at = below(lines.length, random);
    lines[at] = (lines[at] ?? "").replace(/[^ ]*$/, pick(NASTY, random));
    return Buffer.from(lines.join("\n"), "latin1");
  },
  ofParts(LINE, remove),
  ofParts(LINE, repeat),
  ofParts(LINE, swap),
  ofParts(BLOCK, remove),
  ofParts(BLOCK, repeat),
  ofParts(BLOCK, shuffle),
];

/** Damages the page: mostly a little, sometimes a lot. */
export function mutate(page: Buffer, random: () => number): Buffer {
  const times = 1 + Math.floor(random() ** 3 * 12);
  let mutated = page;
  for (let i = 0; i < times; i++) mutated = pick(MUTATIONS, random)(mutated, random);
  return random() < 0.02 ? ofParts(LINE, shuffle)(mutated, random) : mutated;
}
