import type { Attribute } from "../metrics/model.ts";
import { toNumber } from "./number.ts";

/** What a name, a label or a line may measure. */
export interface LineLimits {
  /** Real lines are under 200 bytes; a line is decoded as a whole. */
  readonly lineBytesMax: number;
  /** Names of upstream have up to 55 bytes. */
  readonly nameBytesMax: number;
  /** Upstream uses up to three. */
  readonly labelsMax: number;
  /** The longest that upstream makes are mount points. */
  readonly labelValueBytesMax: number;
}

export interface SampleLine {
  readonly type: "sample";
  readonly name: string;
  readonly attributes: readonly Attribute[];
  readonly value: number;
  /** Where the value's text begins and ends in the line. */
  readonly numberStart: number;
  readonly numberEnd: number;
}

export interface HeaderLine {
  readonly type: "header";
  readonly word: "HELP" | "TYPE";
  readonly name: string;
  /** HELP: the text, unescaped. TYPE: the type's name. */
  readonly text: string;
}

export type Line =
  | SampleLine
  | HeaderLine
  | { readonly type: "blank" }
  | { readonly type: "bad"; readonly reason: string };

const BLANK: Line = { type: "blank" };
const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL_NAME = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const SPACES = /[ \t]*/y;
/** A label's value up to its closing quote; escapes are looked at only where there is a backslash. */
const QUOTED = /"((?:[^"\\\n]|\\.)*)"/y;
const TOKEN = /[^ \t]+/y;

function bad(reason: string): Line {
  return { type: "bad", reason };
}

/** Lexes one line of the text format 0.0.4, without its line feed. Never throws. */
export function lexLine(line: string, limits: LineLimits): Line {
  const text = line.endsWith("\r") ? line.slice(0, -1) : line;
  const start = skip(SPACES, text, 0);
  if (start === text.length) return BLANK;
  return text[start] === "#" ? lexComment(text, start, limits) : lexSample(text, start, limits);
}

function lexComment(text: string, start: number, limits: LineLimits): Line {
  const match = /^#[ \t]+(HELP|TYPE)(?:[ \t]+(\S+)(?:[ \t]+(.*))?)?$/s.exec(text.slice(start));
  if (match === null) return BLANK;
  const [, word, name = "", rest = ""] = match;
  if (take(NAME, name, 0) !== name || name === "") return bad(`${word} without a legal metric name`);
  if (name.length > limits.nameBytesMax) return bad("metric name too long");
  if (word === "TYPE") return { type: "header", word: "TYPE", name, text: rest.trim() };
  const help = rest.includes("\\")
    ? rest.replaceAll(/\\([\\n])/g, (_, char) => (char === "n" ? "\n" : "\\"))
    : rest;
  return { type: "header", word: "HELP", name, text: help };
}

function lexSample(text: string, start: number, limits: LineLimits): Line {
  const name = take(NAME, text, start);
  if (name === "") return bad("no metric name at the start of the line");
  if (name.length > limits.nameBytesMax) return bad("metric name too long");
  let pos = skip(SPACES, text, start + name.length);
  let attributes: readonly Attribute[] = [];
  if (text[pos] === "{") {
    const labels = lexLabels(text, pos + 1, limits);
    if (typeof labels === "string") return bad(labels);
    attributes = labels.attributes;
    pos = skip(SPACES, text, labels.end);
  } else if (pos === start + name.length) return bad("no value after the metric name");

  const token = take(TOKEN, text, pos);
  const value = toNumber(token);
  if (value === undefined) return bad(token === "" ? "no value" : "value is not a number");
  const numberEnd = pos + token.length;
  const rest = text.slice(numberEnd).trim();
  // A shim's word for when is not taken: readings carry the time at which we asked.
  if (rest !== "" && !/^-?[0-9]+$/.test(rest)) return bad("something other than a timestamp after the value");
  return { type: "sample", name, attributes, value, numberStart: pos, numberEnd };
}

function lexLabels(
  text: string,
  start: number,
  limits: LineLimits,
): { attributes: Attribute[]; end: number } | string {
  const attributes: Attribute[] = [];
  let pos = skip(SPACES, text, start);
  while (text[pos] !== "}") {
    const key = take(LABEL_NAME, text, pos);
    if (key === "") return "label without a legal name";
    if (key === "__name__") return "reserved label name";
    if (key.length > limits.nameBytesMax) return "label name too long";
    pos = skip(SPACES, text, pos + key.length);
    if (text[pos] !== "=") return 'label without "="';
    pos = skip(SPACES, text, pos + 1);
    const quoted = take(QUOTED, text, pos);
    if (quoted === "") return "label value without quotes";
    if (quoted.length - 2 > limits.labelValueBytesMax) return "label value too long";
    const value = unescapeLabel(quoted.slice(1, -1));
    if (value === undefined) return "invalid escape in a label value";
    if (attributes.length === limits.labelsMax) return "too many labels";
    if (attributes.some((other) => other.key === key)) return "label name twice on one line";
    attributes.push({ key, value });
    pos = skip(SPACES, text, pos + quoted.length);
    if (text[pos] === ",") pos = skip(SPACES, text, pos + 1);
    else if (text[pos] !== "}") return "labels without a closing brace";
  }
  return { attributes, end: pos + 1 };
}

const ESCAPED: Readonly<Record<string, string>> = { "\\": "\\", '"': '"', n: "\n" };

function unescapeLabel(text: string): string | undefined {
  if (!text.includes("\\")) return text;
  let valid = true;
  const value = text.replaceAll(/\\(.)/gs, (_, char: string) => {
    const meant = ESCAPED[char];
    if (meant === undefined) valid = false;
    return meant ?? "";
  });
  return valid ? value : undefined;
}

function take(sticky: RegExp, text: string, pos: number): string {
  sticky.lastIndex = pos;
  return sticky.exec(text)?.[0] ?? "";
}

function skip(sticky: RegExp, text: string, pos: number): number {
  return pos + take(sticky, text, pos).length;
}
