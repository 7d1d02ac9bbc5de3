// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { compileExpression } from "../../text/expression.ts";

const PATTERNS_MAX = 64;
/** Kubernetes lets a handler's name have 63 characters. */
const PATTERN_LENGTH_MAX = 253;

/** Checks `kata_handlers`. */
export const handlersSchema: z.ZodType<readonly string[]> = z
  .array(z.string().max(PATTERN_LENGTH_MAX))
  .max(PATTERNS_MAX);

/**
 * Whether a runtime handler's name matches one of the patterns as a whole. `*` is any text and `?` one character; the
 * empty pattern is for pods without a handler, which have the runtime's default.
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
