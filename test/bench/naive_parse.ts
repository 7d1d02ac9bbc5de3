// SPDX-License-Identifier: Apache-2.0
/** A sample as most parsers return it: an object with the name and the labels as strings. */
export interface NaiveSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?/g;

/** Parses a page in the obvious way, with one object per sample, as a comparison for the parser. */
export function naiveParse(page: Buffer): NaiveSample[] {
  const samples: NaiveSample[] = [];
  for (const line of page.toString("utf8").split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const space = line.lastIndexOf(" ");
    const brace = line.indexOf("{");
    const labels: Record<string, string> = {};
    if (brace >= 0) {
      for (const [, key = "", value = ""] of line.slice(brace + 1, space - 1).matchAll(LABEL))
        labels[key] = value;
    }
    samples.push({
      name: line.slice(0, brace < 0 ? space : brace),
      labels,
      value: Number(line.slice(space + 1)),
    });
  }
  return samples;
}
