import { z } from "zod";

const PATTERNS_MAX = 64;

/** Checks `kata_handlers`. */
export const handlersSchema: z.ZodType<readonly string[]> = z.array(z.string()).max(PATTERNS_MAX);

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
    return new RegExp(`^${escaped}$`, "su");
  });
  return (handler) => expressions.some((expression) => expression.test(handler));
}
