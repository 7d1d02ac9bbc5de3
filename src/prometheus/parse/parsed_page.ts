// SPDX-License-Identifier: Apache-2.0
import type { Schema } from "../../metrics/model.ts";
import type { Limit } from "./limit.ts";

/** The result of parsing one page. */
export interface ParsedPage {
  /** The source's own families come first, then those of the page in order of their ids. */
  readonly schema: Schema;
  /** A new array for each page. The columns of the own families are 0. The caller fills them in before it passes it on. */
  readonly values: Float64Array;
  /** The number of sample lines that became numbers. */
  readonly samples: number;
  /** The number of lines that are wrong in themselves, or that use a name which is not theirs to use. */
  readonly badLines: number;
  /** The number of lines that were left out because a limit was reached. */
  readonly skippedLines: number;
  /** The limits for which lines were left out. */
  readonly limits: ReadonlySet<Limit>;
  /** The number of bad and skipped lines by reason. */
  readonly reasons: ReadonlyMap<string, number>;
  /** The first line that was left out, counted from 1, and why. */
  readonly firstFault: { readonly line: number; readonly reason: string } | undefined;
  /** Whether the last line had no line feed. Then its number may be cut, unless the page is known to be whole. */
  readonly unterminated: boolean;
}
