// SPDX-License-Identifier: Apache-2.0
/**
 * Characters that a person does not see as such: control characters (C0, DEL, C1), line and paragraph separators, those that
 * turn the direction of reading, other format characters and what Unicode lets a renderer leave out, and halves of
 * surrogate pairs.
 */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;
/** As `HIDDEN`, without the line feed and the tab. */
const HIDDEN_IN_LINES = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;
/** Nearly every text is of these characters alone, which is found much faster. */
const PLAIN = /^[ -~]*$/;

/**
 * The text in one line, with each hidden character as JSON has it: `\n`, `\u001b`, `\u202e`. In a JSON document without
 * whitespace between its tokens, this is the same document. Applying it twice is the same as once.
 */
export function visible(text: string): string {
  return PLAIN.test(text) ? text : text.replace(HIDDEN, escaped);
}

/** As `visible`, of a text that was put together in lines: its line feeds and tabs stay. */
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
