// SPDX-License-Identifier: Apache-2.0
import { RE2JS, RE2JSException } from "re2js";

/**
 * A user's regular expression, to be matched with texts that others wrote. Matching takes time in proportion to the
 * text's length, whatever the expression and the text are.
 */
export interface Expression {
  /** The groups of a match, by number (`"0"` is the whole match) and by name. */
  readonly groups: ReadonlySet<string>;
  /**
   * Returns the text of each group if the expression matches the whole text, else undefined. A group that took no part in the
   * match is missing.
   */
  matchWhole(text: string): ReadonlyMap<string, string> | undefined;
}

/** The most instructions of a compiled expression; a larger one is refused. Each may cost one step per character. */
const PROGRAM_SIZE_MAX = 2_000;

/**
 * Features of other syntaxes that RE2 lacks: a pattern that finds the feature in a source, and its name for messages.
 */
const MISSING: readonly (readonly [begins: RegExp, what: string])[] = [
  [/\(\?<?[=!]/, "lookaround"],
  [/\(\?>|[*+?}]\+/, "atomic groups and possessive quantifiers"],
  [/\\[1-9]|\\k[<{']|\(\?P=/, "backreferences"],
  [/\\u/, "\\u; write \\x{…}"],
  [/\\c/, "\\c; write \\x{…}"],
  [/\\Z/, "\\Z; write \\z"],
  [/\\[pP]\{[^{}]*=/, "properties with a value; write \\p{Greek}"],
  [/\[\^?\]/, "empty classes"],
  [/\(\?#/, "comments"],
];

/**
 * Compiles an expression in the syntax of RE2, which is Go's. Throws an error whose message says what is wrong. If the
 * source seems to use a feature that RE2 lacks, the message names the feature.
 */
export function compileExpression(source: string): Expression {
  const compiled = compile(source);
  const names = compiled.namedGroups();
  const groups = new Map(Object.keys(names).map((name) => [name, names[name] ?? 0]));
  for (let number = 0; number <= compiled.groupCount(); number++) groups.set(String(number), number);
  return {
    groups: new Set(groups.keys()),
    matchWhole(text) {
      const matcher = compiled.matcher(text);
      if (!matcher.matches()) return undefined;
      const found = new Map<string, string>();
      for (const [name, number] of groups) {
        const part = matcher.group(number);
        if (part !== null) found.set(name, part);
      }
      return found;
    },
  };
}

function compile(source: string): RE2JS {
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(source);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    const reason = error.message.replace(/^error parsing regexp: /, "");
    const missing = MISSING.find(([begins]) => begins.test(source))?.[1];
    throw new Error(missing === undefined ? reason : `${reason}; RE2 has no ${missing}`, { cause: error });
  }
  if (compiled.programSize() > PROGRAM_SIZE_MAX)
    throw new Error(`it is too large once its repetitions are written out; repeat less often`);
  return compiled;
}
