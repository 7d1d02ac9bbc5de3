// SPDX-License-Identifier: Apache-2.0
/**
 * Matches characters that a person does not see: control characters (C0, DEL, C1), line and paragraph separators, characters
 * that change the direction of reading, other format characters, characters that a renderer may leave out by Unicode's rules,
 * and halves of surrogate pairs.
 */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;
/** Like `HIDDEN`, without the line feed and the tab. */
const HIDDEN_IN_LINES = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;
/**
 * Matches printable ASCII, which has no hidden character. Most texts match, and a test is much faster than a
 * replacement.
 */
const PLAIN = /^[ -~]*$/;

/**
 * Returns the text in one line, with each hidden character as in JSON: `\n`, `\u001b`, `\u202e`. A JSON document
 * without whitespace between its tokens stays the same document. A text that has been escaped is not changed again.
 */
export function visible(text: string): string {
  return PLAIN.test(text) ? text : text.replace(HIDDEN, escaped);
}

/** Like `visible`, for a text of several lines: its line feeds and tabs stay. */
export function visibleLines(text: string): string {
  return PLAIN.test(text) ? text : text.replace(HIDDEN_IN_LINES, escaped);
}

function escaped(character: string): string {
  const json = JSON.stringify(character).slice(1, -1);
  if (json !== character) return json;
  return Array.from({ length: character.length }, (_, index) => {
    return `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`;
  }).join("");
}
