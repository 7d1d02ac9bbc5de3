// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { compileExpression } from "../../text/expression.ts";

const PATTERNS_MAX = 64;
/** The most characters of a pattern. This is ample, since Kubernetes allows handlers' names of only 63. */
const PATTERN_LENGTH_MAX = 253;

/** The schema of `kata_handlers`. */
export const handlersSchema: z.ZodType<readonly string[]> = z
  .array(z.string().max(PATTERN_LENGTH_MAX))
  .max(PATTERNS_MAX);

/**
 * Makes a function that says whether a runtime handler's whole name matches one of the patterns. `*` stands for any text and
 * `?` for one character. The empty pattern is for pods without a handler: these have the runtime's default.
 */
export function compileHandlers(patterns: readonly string[]): (handler: string) => boolean {
  const expressions = patterns.map((pattern) => {
    const escaped = pattern.replace(/[\\^$.*+?()[\]{}|]/g, (character) => {
      if (character === "*") return ".*";
      return character === "?" ? "." : `\\${character}`;
    });
    return compileExpression(`(?s)${escaped}`);
  });
  return (handler) => expressions.some((expression) => expression.matchWhole(handler) !== undefined);
}
