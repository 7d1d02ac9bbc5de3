// SPDX-License-Identifier: Apache-2.0
import { memoized } from "../../metrics/memoized.ts";
import type { PageRow } from "../page/contenders.ts";
import { LABELS_END } from "../page/page_format.ts";
import type { ResourceText } from "../series/resource_text.ts";
import { joinTemplates, toTemplate } from "./template.ts";

/** For each row of a page, the bytes between the sample's own labels and the number: `sandbox_id="…",…} `. */
export interface ResourceSuffixes {
  /** The suffixes of all rows, one after the other, ready to be copied. */
  readonly bytes: DataView;
  /** By index of the row, the position of its suffix in `bytes`; and at the end, the position after the last suffix. */
  readonly starts: Int32Array;
}

/** The text after the sample's own labels, encoded once for each resource. */
const suffixOf = memoized(({ text }: ResourceText) => toTemplate(text === "" ? "" : text + LABELS_END));

/** Returns the suffixes of all rows of a page. */
export function joinSuffixes(rows: readonly PageRow[]): ResourceSuffixes {
  const templates = rows.map(({ labels }) => suffixOf(labels));
  const starts = new Int32Array(rows.length + 1);
  let end = 0;
  for (let i = 0; i < templates.length; i++) {
    end += templates[i]?.length ?? 0;
    starts[i + 1] = end;
  }
  return { bytes: joinTemplates(templates), starts };
}
