// SPDX-License-Identifier: Apache-2.0
/** Texts of fewer characters are not concealed, because too many log lines have them as ordinary words. */
const LENGTH_MIN = 6;
/** Texts of at least so many characters are concealed inside words too, shorter ones only as whole words. */
const INSIDE_LENGTH_MIN = 16;
/**
 * Texts of more characters are not concealed, because no message quotes them. The lines of such a text are concealed.
 */
const LENGTH_MAX = 4_096;
/** How many parts of one text are concealed, such as the lines of a file. Further ones are shown. */
const PARTS_MAX = 100;
/**
 * How many texts one agent conceals, over all its configurations; the oldest are forgotten first. The limit bounds the
 * cost of a log line, which is searched for each text.
 */
const TEXTS_MAX = 2_000;

/** Addresses that are not concealed: they tell nothing about a node, and many log lines have them. */
const COMMON: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "0.0.0.0", "[::1]"]);

const WORD = /[\p{L}\p{N}_]/u;

/**
 * Texts that people must not see: values of variables and files. Each has a name that people see instead, which is the
 * reference to the variable or file.
 *
 * Each text is found in all spellings in which messages quote it, and so are its parts if it is a URL or a list. Texts under 6
 * characters are not concealed, and texts under 16 characters only where they are no part of a word.
 */
export class ConcealedTexts {
  readonly #names = new Map<string, string>();
  #longestFirst: readonly (readonly [text: string, name: string])[] | undefined;

  /** Conceals the text and its parts. A text that was added before keeps its name. */
  add(text: string, name: string): void {
    for (const part of [text, ...partsOf(text).slice(0, PARTS_MAX)]) this.addWhole(part, name);
  }

  /** Conceals the text as a whole. Its parts may be shown. */
  addWhole(text: string, name: string): void {
    for (const spelling of spellingsOf(text)) this.#add(spelling, name);
  }

  addAll(others: ConcealedTexts): void {
    for (const [text, name] of others.#names) this.#add(text, name);
  }

  /** Returns the text with names instead of concealed texts. The longest ones are replaced first. */
  conceal(text: string): string {
    this.#longestFirst ??= [...this.#names].sort(([a], [b]) => b.length - a.length);
    let pieces: readonly Piece[] = [{ text, isName: false }];
    for (const [hidden, name] of this.#longestFirst) {
      if (!text.includes(hidden)) continue;
      pieces = pieces.flatMap((piece) => (piece.isName ? [piece] : named(piece.text, hidden, name)));
    }
    return pieces.map((piece) => piece.text).join("");
  }

  #add(text: string, name: string): void {
    if (text.length < LENGTH_MIN || text.length > LENGTH_MAX) return;
    const known = this.#names.get(text) ?? name;
    // A text that is added again becomes the newest, which is forgotten last.
    this.#names.delete(text);
    this.#names.set(text, known);
    const [oldest] = this.#names.keys();
    if (oldest !== undefined && this.#names.size > TEXTS_MAX) this.#names.delete(oldest);
    this.#longestFirst = undefined;
  }
}

/** A part of a text. With `isName`, it has replaced a concealed text and is not searched for others. */
interface Piece {
  readonly text: string;
  readonly isName: boolean;
}

function named(text: string, hidden: string, name: string): Piece[] {
  const pieces: Piece[] = [];
  let done = 0;
  for (let at = text.indexOf(hidden); at >= 0; at = text.indexOf(hidden, at + 1)) {
    const end = at + hidden.length;
    const isInside = continuesWord(text, at) || continuesWord(text, end);
    if (at < done || (isInside && hidden.length < INSIDE_LENGTH_MIN)) continue;
    pieces.push({ text: text.slice(done, at), isName: false }, { text: name, isName: true });
    done = end;
  }
  return [...pieces, { text: text.slice(done), isName: false }];
}

/** Whether the characters before and at the index are parts of one word. */
function continuesWord(text: string, index: number): boolean {
  return WORD.test(text.charAt(index - 1)) && WORD.test(text.charAt(index));
}

function spellingsOf(text: string): Set<string> {
  const whole = text.trim().toWellFormed();
  if (COMMON.has(whole) || whole.length > LENGTH_MAX) return new Set();
  return new Set([whole, encodeURI(whole), encodeURIComponent(whole), JSON.stringify(whole).slice(1, -1)]);
}

function partsOf(text: string): string[] {
  const parts = text.split(/[,\n]/);
  const [, host = ""] = /^([^/\s]+):[0-9]{1,5}$/.exec(text) ?? [];
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text) || !URL.canParse(text)) return [...parts, host];
  const url = new URL(text);
  // Short segments, such as "metrics", are ordinary words of many log lines, so they are not concealed.
  const segments = url.pathname.split("/").filter((segment) => segment.length >= INSIDE_LENGTH_MIN);
  const user = [url.username, url.password];
  return [...parts, url.host, url.hostname, url.pathname, ...user, ...segments, ...url.searchParams.values()];
}
