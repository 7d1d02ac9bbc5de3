// SPDX-License-Identifier: Apache-2.0
import type { Schema } from "../../metrics/model.ts";
import type { Limit } from "./limit.ts";

/** The result of parsing one page. */
export interface ParsedPage {
  /** The families of the reading: the source's own ones first, then those of the page in order of their ids. */
  readonly schema: Schema;
  /**
   * The numbers of the reading, a new array for each page. The columns of the source's own families are 0: the caller
   * fills them in before the reading is handed on.
   */
  readonly values: Float64Array;
  /** The number of sample lines that became numbers. */
  readonly samples: number;
  /**
   * The number of lines that are malformed, contradict other lines, or belong to a family that the page cannot define.
   */
  readonly badLines: number;
  /** The number of lines that were left out because a limit was reached. */
  readonly skippedLines: number;
  /** The limits because of which lines were left out. */
  readonly limits: ReadonlySet<Limit>;
  /** The number of bad and skipped lines by reason. */
  readonly reasons: ReadonlyMap<string, number>;
  /** The first line that was left out, counted from 1, and why. */
  readonly firstFault: { readonly line: number; readonly reason: string } | undefined;
  /**
   * Whether the page's last line had no line feed. Then the number of this line may lack digits, unless the caller
   * knows that the page is whole.
   */
  readonly unterminated: boolean;
}
