// SPDX-License-Identifier: Apache-2.0
import type { Attribute } from "../../metrics/model.ts";
import type { Limit } from "./limit.ts";
import { toNumber } from "./number.ts";

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const QUOTE = 34;
const HASH = 35;
const BACKSLASH = 92;
const UPPER_H = 72;
const UPPER_T = 84;
/** The four bytes of `HELP` as one integer, the first byte highest. */
const HELP = 0x48454c50;
/** The four bytes of `TYPE` as one integer, the first byte highest. */
const TYPE = 0x54595045;

/** Limits of one line. A line beyond one of them is left out and counted. */
export interface LineLimits {
  /**
   * The longest line. Honest lines have less than 200 bytes. The limit bounds memory, since a line is decoded as a
   * whole.
   */
  readonly lineBytesMax: number;
  /** The longest name of a metric or label. The names of Kata Containers have up to 55 bytes. */
  readonly nameBytesMax: number;
  /** The most labels on one line. Kata Containers uses up to three. */
  readonly labelsMax: number;
  /** The longest value of a label in UTF-8, without escapes. The longest honest values are mount points. */
  readonly labelValueBytesMax: number;
}

/** The rules by which a line is rejected. */
export interface LineRules extends LineLimits {
  /** Returns why samples of this metric cannot have this label; undefined if they can. */
  labelFault(name: string, label: string): string | undefined;
}

/** A line with a number. */
export interface SampleLine {
  readonly type: "sample";
  readonly name: string;
  readonly attributes: readonly Attribute[];
  readonly value: number;
  /** The index in the line at which the value's text begins. */
  readonly numberStart: number;
  /** The index in the line after the value's text. */
  readonly numberEnd: number;
}

/** A HELP or TYPE line. */
export interface HeaderLine {
  readonly type: "header";
  readonly word: "HELP" | "TYPE";
  readonly name: string;
  /** For HELP the text, unescaped. For TYPE the name of the type. */
  readonly text: string;
}

/** A line that cannot be used. */
export interface BadLine {
  readonly type: "bad";
  readonly reason: string;
}

/** A line that exceeds a limit. */
export interface OverlongLine {
  readonly type: "overlong";
  readonly reason: string;
  readonly limit: Limit;
}

/** One line of a page that is neither blank nor a comment. */
export type Line = SampleLine | HeaderLine | BadLine | OverlongLine;

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL_NAME = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const SPACES = /[ \t]*/y;
const TOKEN = /[^ \t]+/y;

/**
 * The number of bytes of a line that are searched for its end one by one, before a native call searches the others. For
 * a short line, the native call takes longer.
 */
const SHORT_LINE_BYTES = 64;

/** Returns the position of the line feed that ends the line. There must be one. */
export function lineEnd(bytes: Uint8Array, start: number): number {
  const far = start + SHORT_LINE_BYTES;
  let pos = start;
  while (pos < far) if (bytes[pos++] === LF) return pos - 1;
  return bytes.indexOf(LF, pos);
}

/** Returns the number of the line that has this position, counted from 1. */
export function lineAt(bytes: Uint8Array, position: number): number {
  let line = 1;
  for (let pos = 0; pos < position; pos++) if (bytes[pos] === LF) line++;
  return line;
}

/** Returns where the next line begins that is neither blank nor a comment. HELP and TYPE lines are no comments. */
export function skipIdleLines(bytes: Uint8Array, start: number, end: number): number {
  let pos = start;
  while (pos < end) {
    if (bytes[pos] === LF) {
      pos++;
      continue;
    }
    let at = pos;
    let byte = bytes[at];
    while (byte === SPACE || byte === TAB) byte = bytes[++at];
    if (byte === HASH) {
      if (startsHeader(bytes, at)) return pos;
      at = lineEnd(bytes, at + 1);
    } else if (byte === CR) at++;
    if (bytes[at] !== LF) return pos;
    pos = at + 1;
  }
  return pos;
}

/** Whether the line is a HELP or TYPE line, well formed or not. */
export function startsHeader(bytes: Uint8Array, start: number): boolean {
  const hash = skipBlanks(bytes, start);
  if (bytes[hash] !== HASH) return false;
  const at = skipBlanks(bytes, hash + 1);
  const first = bytes[at] as number;
  // The first letter alone shows that most comments are neither a HELP nor a TYPE line.
  if (first < UPPER_H || first > UPPER_T) return false;
  const word =
    (first << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number);
  if (word !== HELP && word !== TYPE) return false;
  return bytes[at + 4] === SPACE || bytes[at + 4] === TAB;
}

function skipBlanks(bytes: Uint8Array, start: number): number {
  let pos = start;
  while (bytes[pos] === SPACE || bytes[pos] === TAB) pos++;
  return pos;
}

function bad(reason: string): BadLine {
  return { type: "bad", reason };
}

function overlong(limit: Limit, reason: string): OverlongLine {
  return { type: "overlong", limit, reason };
}

/**
 * Lexes one line of the text format 0.0.4, without its line feed. The line must not be blank or a comment. Never
 * throws.
 */
export function lexLine(line: string, rules: LineRules): Line {
  const text = line.endsWith("\r") ? line.slice(0, -1) : line;
  const start = skip(SPACES, text, 0);
  return text[start] === "#" ? lexHeader(text, start, rules) : lexSample(text, start, rules);
}

function lexHeader(text: string, start: number, rules: LineRules): Line {
  const wordStart = skip(SPACES, text, start + 1);
  const word = text.startsWith("HELP", wordStart) ? "HELP" : "TYPE";
  const nameStart = skip(SPACES, text, wordStart + word.length);
  const name = take(TOKEN, text, nameStart);
  if (name === "" || take(NAME, name, 0) !== name) return bad(`${word} without a legal metric name`);
  if (name.length > rules.nameBytesMax) return overlong("name_bytes", "metric name too long");
  const rest = text.slice(skip(SPACES, text, nameStart + name.length));
  if (word === "TYPE") return { type: "header", word, name, text: rest.trimEnd() };
  return { type: "header", word, name, text: unescapeHelp(rest) };
}

function lexSample(text: string, start: number, rules: LineRules): Line {
  const name = take(NAME, text, start);
  if (name === "") return bad("no metric name at the start of the line");
  if (name.length > rules.nameBytesMax) return overlong("name_bytes", "metric name too long");
  let pos = skip(SPACES, text, start + name.length);
  let attributes: readonly Attribute[] = [];
  if (text[pos] === "{") {
    const labels = lexLabels({ text, start: pos + 1, name }, rules);
    if ("reason" in labels) return labels;
    attributes = labels.attributes;
    pos = skip(SPACES, text, labels.end);
  } else if (pos === start + name.length) return bad("no value after the metric name");

  const token = take(TOKEN, text, pos);
  const value = toNumber(token);
  if (value === undefined) return bad(token === "" ? "no value" : "value is not a number");
  const numberEnd = pos + token.length;
  const rest = text.slice(numberEnd).trim();
  // A timestamp is ignored: a reading has the time at which the agent asked for the page.
  if (rest !== "" && !/^-?[0-9]+$/.test(rest)) return bad("something other than a timestamp after the value");
  return { type: "sample", name, attributes, value, numberStart: pos, numberEnd };
}

function lexLabels(
  { text, start, name }: { readonly text: string; readonly start: number; readonly name: string },
  rules: LineRules,
): { attributes: Attribute[]; end: number } | BadLine | OverlongLine {
  const attributes: Attribute[] = [];
  const keys: string[] = [];
  let pos = skip(SPACES, text, start);
  while (text[pos] !== "}") {
    if (keys.length === rules.labelsMax) return overlong("labels", "too many labels");
    const key = take(LABEL_NAME, text, pos);
    if (key === "") return bad("label without a legal name");
    const fault = key.startsWith("__") ? "reserved label" : rules.labelFault(name, key);
    if (fault !== undefined) return bad(fault);
    if (key.length > rules.nameBytesMax) return overlong("name_bytes", "label name too long");
    pos = skip(SPACES, text, pos + key.length);
    if (text[pos] !== "=") return bad('label without "="');
    pos = skip(SPACES, text, pos + 1);
    if (text[pos] !== '"') return bad("label value without quotes");
    const valueStart = pos + 1;
    const rawMax = ESCAPE_BYTES * rules.labelValueBytesMax;
    const valueEnd = closingQuote(text, valueStart, rawMax);
    if (valueEnd < 0) return bad("label value without quotes");
    // A value beyond the limit is not unescaped, since it may be very long.
    if (valueEnd - valueStart > rawMax) return overlong("label_value_bytes", "label value too long");
    const value = unescapeLabel(text.slice(valueStart, valueEnd));
    if (value === undefined) return bad("invalid escape in a label value");
    if (isLonger(value, rules.labelValueBytesMax))
      return overlong("label_value_bytes", "label value too long");
    if (keys.includes(key)) return bad("label name twice on one line");
    keys.push(key);
    // To Prometheus, a label with an empty value is no label. Series that differ only in such a label are the same
    // series.
    if (value !== "") attributes.push({ key, value });
    pos = skip(SPACES, text, valueEnd + 1);
    if (text[pos] === ",") pos = skip(SPACES, text, pos + 1);
    else if (text[pos] !== "}") return bad("labels without a closing brace");
  }
  return { attributes, end: pos + 1 };
}

/** The most bytes that one byte of a label's value takes on the page: a backslash and the byte. */
const ESCAPE_BYTES = 2;

/**
 * Returns the position of the quote that ends the value; -1 if there is none. If the value is longer than `rawMax`, the
 * result is any position that is more than `rawMax` after `start`.
 */
function closingQuote(text: string, start: number, rawMax: number): number {
  const quote = text.indexOf('"', start);
  const backslash = text.indexOf("\\", start);
  if (quote < 0 || backslash < 0 || quote < backslash) return quote;
  const stop = Math.min(text.length, start + rawMax + 1);
  for (let at = backslash; at < stop; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) return at;
    if (char === BACKSLASH) at++;
  }
  return stop === text.length ? -1 : stop;
}

/**
 * Whether the text has more than `bytesMax` bytes in UTF-8. Since a code unit takes at most three, a short text need
 * not be measured.
 */
function isLonger(text: string, bytesMax: number): boolean {
  return text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax;
}

/** Resolves escapes of a backslash and a line feed. Other escapes are kept as they are. */
function unescapeHelp(text: string): string {
  return withoutEscapes(text, (char) => (char === "n" ? "\n" : char === "\\" ? char : `\\${char}`)) ?? text;
}

/** Returns the text with its escapes resolved; undefined if it has an escape that the format does not have. */
function unescapeLabel(text: string): string | undefined {
  return withoutEscapes(text, (char) =>
    char === "n" ? "\n" : char === "\\" || char === '"' ? char : undefined,
  );
}

/** Replaces each escape by the meaning of its character. Returns undefined if a character has no meaning. */
function withoutEscapes(text: string, meaning: (char: string) => string | undefined): string | undefined {
  let from = 0;
  let result = "";
  for (let at = text.indexOf("\\"); at >= 0; at = text.indexOf("\\", from)) {
    const char = meaning(text.charAt(at + 1));
    if (char === undefined) return undefined;
    result += text.slice(from, at) + char;
    from = at + 2;
  }
  return from === 0 ? text : result + text.slice(from);
}

function take(sticky: RegExp, text: string, pos: number): string {
  sticky.lastIndex = pos;
  return sticky.exec(text)?.[0] ?? "";
}

function skip(sticky: RegExp, text: string, pos: number): number {
  return pos + take(sticky, text, pos).length;
}
