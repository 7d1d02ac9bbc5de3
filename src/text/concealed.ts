// SPDX-License-Identifier: Apache-2.0
/** A shorter text is not concealed, because too many lines have it as a word. */
const LENGTH_MIN = 6;
/** A text of at least this length is concealed inside words too. */
const INSIDE_LENGTH_MIN = 16;
/** A longer text is not concealed, because no message quotes it. The lines of a file are texts of their own. */
const LENGTH_MAX = 4_096;
/** How many parts of one text are concealed, such as the lines of a file. */
const PARTS_MAX = 100;
/**
 * The limit for one agent, over all its configurations. The oldest texts are forgotten first. Each log line is searched for
 * all.
 */
const TEXTS_MAX = 2_000;

/** Addresses that are not concealed: they tell nothing about a node, and are in many lines. */
const COMMON: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "0.0.0.0", "[::1]"]);

const WORD = /[\p{L}\p{N}_]/u;

/**
 * Texts that people must not see, each with the name that they see instead: values of variables and files, named by the
 * references to them.
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
    // A text that is added again counts as the newest.
    this.#names.delete(text);
    this.#names.set(text, known);
    const [oldest] = this.#names.keys();
    if (oldest !== undefined && this.#names.size > TEXTS_MAX) this.#names.delete(oldest);
    this.#longestFirst = undefined;
  }
}

/** A part of a text. A name is not searched again. */
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
  // A short segment, such as "metrics", is a word of many lines.
  const segments = url.pathname.split("/").filter((segment) => segment.length >= INSIDE_LENGTH_MIN);
  const user = [url.username, url.password];
  return [...parts, url.host, url.hostname, url.pathname, ...user, ...segments, ...url.searchParams.values()];
}
