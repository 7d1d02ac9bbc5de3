// SPDX-License-Identifier: Apache-2.0
/**
 * The rules of a page, checked without any code of the agent's. It is a second opinion, and therefore written in another
 * way than `src/prometheus`.
 */
import type { Format } from "../kit/pulled_page.ts";

/** A sample of a page. */
export interface PageLine {
  /** The name and the labels as they are written on the page. */
  readonly series: string;
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
  readonly valueText: string;
  /** The name in the HELP or TYPE line before it. */
  readonly family: string;
}

export interface ReadPage {
  readonly lines: readonly PageLine[];
  /** The types by family name, without families that have no TYPE line. */
  readonly types: ReadonlyMap<string, string>;
  /** The HELP texts by family name, as they are written on the page. */
  readonly help: ReadonlyMap<string, string>;
  /** The page's faults, a sentence each. */
  readonly faults: readonly string[];
}

const HEADER = /^# (HELP|TYPE|UNIT) ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\\n]|\\[\\n"])*)$/;
const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.+)\})? (NaN|[+-]Inf|-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)$/s;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;
const TYPES: Readonly<Record<Format, readonly string[]>> = {
  text: ["gauge", "counter", "histogram", "summary", "untyped"],
  openmetrics: ["gauge", "counter", "histogram", "summary", "unknown"],
};
/** The suffixes that a sample's name may have, by the type of its family. */
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  histogram: ["_bucket", "_sum", "_count"],
  summary: ["", "_sum", "_count"],
};

class PageReader {
  readonly lines: PageLine[] = [];
  readonly types = new Map<string, string>();
  readonly help = new Map<string, string>();
  readonly faults: string[] = [];
  readonly #format: Format;
  readonly #headers = new Set<string>();
  readonly #families = new Set<string>();
  readonly #series = new Set<string>();
  #family = "";

  constructor(format: Format) {
    this.#format = format;
  }

  fault(what: string, line: string): void {
    this.faults.push(`${what}: ${JSON.stringify(line.slice(0, 300))}`);
  }

  header(line: string): void {
    const [, word = "", name = "", text = ""] = HEADER.exec(line) ?? [];
    if (name === "") {
      this.fault("neither sample nor header", line);
      return;
    }
    if (this.#headers.has(`${word} ${name}`)) this.fault(`second ${word}`, line);
    this.#headers.add(`${word} ${name}`);
    if (word === "HELP") this.help.set(name, text);
    if (word === "TYPE") {
      this.types.set(name, text);
      if (!TYPES[this.#format].includes(text)) this.fault("type that the format does not have", line);
    }
    this.#enter(name, line);
  }

  #enter(name: string, line: string): void {
    if (name === this.#family) return;
    if (this.#families.has(name)) this.fault("family in two places", line);
    this.#families.add(name);
    this.#family = name;
  }

  sample(line: string): void {
    const [, name = "", labelText = "", valueText = ""] = SAMPLE.exec(line) ?? [];
    if (name === "") {
      this.fault("no legal sample", line);
      return;
    }
    const labels = this.#labels(labelText, line);
    const suffixes = SUFFIXES[this.types.get(this.#family) ?? ""] ?? [
      this.#format === "openmetrics" && this.types.get(this.#family) === "counter" ? "_total" : "",
    ];
    const isChild = suffixes.some((suffix) => name === this.#family + suffix);
    if (!isChild) this.#enter(name, line);
    const full = [...labels].filter(([, value]) => value !== "").sort(([a], [b]) => (a < b ? -1 : 1));
    const key = `${name} ${JSON.stringify(full)}`;
    if (this.#series.has(key)) this.fault("series twice", line);
    this.#series.add(key);
    this.lines.push({
      series: line.slice(0, line.length - valueText.length - 1),
      name,
      labels,
      value: Number(valueText.replace("Inf", "Infinity")),
      valueText,
      family: this.#family,
    });
  }

  /** Called after all lines have been read. */
  finish(): void {
    for (const [name, type] of this.types) {
      for (const suffix of SUFFIXES[type] ?? []) {
        if (suffix !== "" && this.#families.has(name + suffix))
          this.fault("family that is called as another one's lines", name + suffix);
      }
    }
  }

  #labels(text: string, line: string): Map<string, string> {
    const labels = new Map<string, string>();
    let end = 0;
    LABEL.lastIndex = 0;
    for (let match = LABEL.exec(text); match !== null; match = LABEL.exec(text)) {
      const [, name = "", value = ""] = match;
      if (labels.has(name)) this.fault(`label ${name} twice`, line);
      if (name.startsWith("__")) this.fault(`label ${name}`, line);
      labels.set(name, value);
      end = LABEL.lastIndex;
    }
    if (end !== text.length) this.fault("no legal labels", line);
    return labels;
  }
}

/** Reads a page of the agent's more strictly than the formats require: only its own spelling, and no timestamps. */
export function readPage(page: string, format: Format): ReadPage {
  const reader = new PageReader(format);
  if (page !== "" && !page.endsWith("\n")) reader.fault("no line feed at the end", page.slice(-100));
  const lines = page.split("\n").slice(0, -1);
  if (format === "openmetrics" && lines.pop() !== "# EOF") reader.fault("no end", page.slice(-100));
  for (const line of lines) {
    if (line.startsWith("#")) reader.header(line);
    else reader.sample(line);
  }
  reader.finish();
  return reader;
}

/** The identity of a sandbox on the page: the labels after a sample's own, in this order. */
export interface Identity {
  readonly sandbox_id: string;
  readonly cri_uid: string;
  readonly cri_name: string;
  readonly cri_namespace: string;
}

const IDENTITY_LABELS = ["sandbox_id", "cri_uid", "cri_name", "cri_namespace"] as const;

/** Writes the labels as they are on a line. */
export function identityText(identity: Identity): string {
  return IDENTITY_LABELS.map((label) => `${label}="${identity[label]}"`).join(",");
}

/** Returns the series that the agent's page must have for an honest shim's page, with their values, by editing its text. */
export function expectedLines(shimPage: string, identity: Identity): Map<string, number> {
  const expected = new Map<string, number>();
  for (const line of shimPage.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [series = "", value = ""] = line.split(/ (?=[^ ]+$)/);
    const renamed = series.replace(/^(?=go_|process_)/, "kata_shim_");
    const own = renamed.endsWith("}") ? `${renamed.slice(0, -1)},` : `${renamed}{`;
    expected.set(`${own}${identityText(identity)}}`, Number(value));
  }
  return expected;
}

/** Returns the types of an honest shim's families, by their names on the agent's page. */
export function expectedTypes(shimPage: string): Map<string, string> {
  const types = shimPage.matchAll(/^# TYPE (\S+) (\S+)$/gm);
  return new Map(
    [...types].map(([, name = "", type = ""]) => [name.replace(/^(?=go_|process_)/, "kata_shim_"), type]),
  );
}

/** Returns samples with none of these identities. A sandbox that the runtime does not know (yet) has its id only. */
export function strangers({ lines }: ReadPage, identities: readonly Identity[]): string[] {
  const known = new Set(
    identities.flatMap((identity) => {
      const bare = { sandbox_id: identity.sandbox_id, cri_uid: "", cri_name: "", cri_namespace: "" };
      return [identityText(identity), identityText(bare)];
    }),
  );
  return lines
    .filter(({ series }) => !known.has(series.slice(series.lastIndexOf('sandbox_id="'), -1)))
    .map(({ series }) => `identity that no sandbox has: ${series.slice(0, 400)}`);
}
