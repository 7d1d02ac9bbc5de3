// SPDX-License-Identifier: Apache-2.0

import { memoized } from "../../metrics/memoized.ts";
import type { Family, Schema } from "../../metrics/model.ts";
import type { LabelSet } from "../series/label_sets.ts";
import { labelText } from "../series/names.ts";
import { type Label, labelsOf, linesOf } from "../series/series.ts";
import { helpText } from "./page_format.ts";

/** The size on a page of a family, or of all families of a schema, without numbers and the labels of resources. */
export interface TextSize {
  readonly lines: number;
  /** The bytes of all lines before the resource's labels. The count is up to one byte too high for each line. */
  readonly prefixBytes: number;
  /** The bytes of the HELP and TYPE lines, which all resources share. */
  readonly headerBytes: number;
}

/** The characters of a family's HELP and TYPE lines in addition to its name and help, with the longest type. */
const HEADER_SIGNS = "# HELP  \n# TYPE  histogram\n";
/**
 * The characters of a line before its number in addition to names and labels. If the resource has labels, the blank is
 * counted twice, since `LABELS_END` has it too.
 */
const LINE_SIGNS = "{ ";

/** Measures the text of a page without writing it. A line that is left out because it comes twice is counted too. */
export class TextSizes {
  readonly #nameOf: (family: Family) => string;
  readonly #ofFamily: (labelSet: LabelSet) => (family: Family) => TextSize;
  readonly #ofSchema: (labelSet: LabelSet) => (schema: Schema) => TextSize;

  constructor(nameOf: (family: Family) => string) {
    this.#nameOf = nameOf;
    this.#ofFamily = memoized((labelSet: LabelSet) =>
      memoized((family: Family) => this.#measure(family, labelSet)),
    );
    this.#ofSchema = memoized((labelSet: LabelSet) => {
      const of = this.#ofFamily(labelSet);
      return memoized((schema: Schema) => sumOf(schema.families.map(of)));
    });
  }

  ofFamily(labelSet: LabelSet, family: Family): TextSize {
    return this.#ofFamily(labelSet)(family);
  }

  ofSchema(labelSet: LabelSet, schema: Schema): TextSize {
    return this.#ofSchema(labelSet)(schema);
  }

  #measure(family: Family, { names }: LabelSet): TextSize {
    const name = this.#nameOf(family);
    let prefixBytes = 0;
    for (const point of family.points) {
      const own = bytesOf(labelsOf(point, family.kind, names));
      for (const [suffix, bound] of linesOf(family.kind, point, []))
        prefixBytes += name.length + suffix.length + LINE_SIGNS.length + own + bytesOf(bound);
    }
    const headerBytes = 2 * name.length + Buffer.byteLength(helpText(family.help, "openmetrics"));
    return { lines: family.width, prefixBytes, headerBytes: headerBytes + HEADER_SIGNS.length };
  }
}

/** The bytes of the labels, each with a comma after it. */
function bytesOf(labels: readonly Label[]): number {
  let bytes = 0;
  for (const [name, value] of labels) bytes += Buffer.byteLength(labelText(name, value)) + 1;
  return bytes;
}

function sumOf(sizes: readonly TextSize[]): TextSize {
  const sum = { lines: 0, prefixBytes: 0, headerBytes: 0 };
  for (const { lines, prefixBytes, headerBytes } of sizes) {
    sum.lines += lines;
    sum.prefixBytes += prefixBytes;
    sum.headerBytes += headerBytes;
  }
  return sum;
}
