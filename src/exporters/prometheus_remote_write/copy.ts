// Hot path: npm run bench -- push.

const WORD = 4;

/** `copyWords` may read and write so many bytes past the end of what it copies. */
export const OVERSHOOT_BYTES: number = WORD - 1;

/** The pieces one behind the other, ready to be copied from. */
export function joinPieces(pieces: readonly Uint8Array[]): DataView {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const joined = new Uint8Array(length + OVERSHOOT_BYTES);
  let pos = 0;
  for (const piece of pieces) {
    joined.set(piece, pos);
    pos += piece.length;
  }
  return new DataView(joined.buffer);
}

/**
 * Copies the bytes of `from` between `start` and `end` to `pos` and returns the position behind them. In words of four
 * bytes: as a double of eight, protobuf could look like a NaN, which need not keep its bits.
 */
export function copyWords(out: DataView, pos: number, from: DataView, start: number, end: number): number {
  const last = pos + end - start;
  for (let at = start; at < end; at += WORD, pos += WORD) out.setInt32(pos, from.getInt32(at, true), true);
  return last;
}
