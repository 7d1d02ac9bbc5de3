// SPDX-License-Identifier: Apache-2.0
/** A sample as most parsers hand it out: an object of its own, with its name and labels as strings. */
export interface NaiveSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?/g;

/** Parses a page in the obvious way, one object per sample: what the parser is compared with. */
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
