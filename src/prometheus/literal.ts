// Hot path: npm run bench -- write. Indices are in range by construction, which `as number` tells the compiler.

const WORD = 8;

/** Bytes that are written again and again, ready to be copied eight at a time. */
export interface Literal {
  readonly bytes: Uint8Array;
  /**
   * The bytes as doubles, the last one filled up with blanks. Undefined where they are not ASCII: only ASCII surely
   * survives the way through a double.
   */
  readonly words: Float64Array | undefined;
}

/** What a copy may write past its end: room for it must be left in the buffer, and what follows overwrites it. */
export const OVERRUN: number = WORD - 1;

export function createLiteral(text: string): Literal {
  const bytes = Uint8Array.from(Buffer.from(text, "utf8"));
  if (bytes.some((byte) => byte > 127)) return { bytes, words: undefined };
  const padded = Buffer.alloc(Math.ceil(bytes.length / WORD) * WORD, " ");
  padded.set(bytes);
  const words = new Float64Array(padded.length / WORD);
  for (let i = 0; i < words.length; i++) words[i] = padded.readDoubleLE(i * WORD);
  return { bytes, words };
}

/** Copies the literal to `start` and returns the position after it. */
export function writeLiteral(out: Uint8Array, view: DataView, start: number, literal: Literal): number {
  const { words, bytes } = literal;
  if (words === undefined) out.set(bytes, start);
  else for (let i = 0; i < words.length; i++) view.setFloat64(start + i * WORD, words[i] as number, true);
  return start + bytes.length;
}
