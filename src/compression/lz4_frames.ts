// SPDX-License-Identifier: Apache-2.0
// This is a hot path; `npm run bench -- push` measures it. `as number` tells the compiler that each index is in range.

// LZ4's frame format (lz4_Frame_format.md 1.6). The header is the magic number, a byte for version 1 with independent
// blocks and no checksums, a byte for blocks of up to 4 MiB, and the checksum of these two bytes. All frames have the
// same header. Blocks follow, each behind its length, and then a length of 0.
const HEADER = Uint8Array.of(0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73);
const BLOCK_BYTES_MAX = 4 * 1024 * 1024;
const LENGTH_BYTES = 4;
/** The bit of a block's length that says that the block is not compressed. */
const IS_PLAIN = 0x8000_0000;

/** Compresses the bytes to a frame of LZ4. The name of this format in `content-encoding` is `lz4`. */
export function toLz4Frame(bytes: Uint8Array): Buffer {
  const parts: Uint8Array[] = [HEADER];
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES_MAX) {
    const plain = bytes.subarray(start, start + BLOCK_BYTES_MAX);
    const packed = compressBlock(plain);
    const isSmaller = packed.length < plain.length;
    parts.push(lengthOf(isSmaller ? packed.length : plain.length + IS_PLAIN), isSmaller ? packed : plain);
  }
  parts.push(lengthOf(0));
  return Buffer.concat(parts);
}

function lengthOf(value: number): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(value);
  return length;
}

// LZ4's block format (lz4_Block_format.md): sequences of a token, literals, and a match.
const MATCH_BYTES_MIN = 4;
/** The last bytes of a block, which must be literals. */
const LAST_LITERALS = 5;
/** The last match must begin at least this many bytes before the end of the block. */
const LAST_MATCH = 12;
const DISTANCE_MAX = 65_535;
/** The longest length that fits into a token. The rest of a longer length follows in bytes of up to 255. */
const TOKEN_LENGTH_MAX = 15;
const HASH_BITS = 14;
const HASH_FACTOR = 2_654_435_761;
/** After each 2^6 positions in a row without a match, each step of the search is one byte longer. */
const SKIP_SHIFT = 6;

/** Compresses one block, greedily: a table says where each four bytes occurred last, and this match is used. */
function compressBlock(plain: Uint8Array): Uint8Array {
  const view = new DataView(plain.buffer, plain.byteOffset, plain.length);
  const out = new Uint8Array(plain.length + Math.ceil(plain.length / 255) + 16);
  const seen = new Int32Array(1 << HASH_BITS).fill(-1);
  const matchStartMax = plain.length - LAST_MATCH;
  const matchEndMax = plain.length - LAST_LITERALS;
  let to = 0;
  let literals = 0;
  let misses = 0;
  for (let at = 0; at <= matchStartMax; ) {
    const word = view.getUint32(at, true);
    const slot = Math.imul(word, HASH_FACTOR) >>> (32 - HASH_BITS);
    const from = seen[slot] as number;
    seen[slot] = at;
    if (from < 0 || at - from > DISTANCE_MAX || view.getUint32(from, true) !== word) {
      at += 1 + (misses++ >> SKIP_SHIFT);
      continue;
    }
    let end = at + MATCH_BYTES_MIN;
    for (let other = from + MATCH_BYTES_MIN; end < matchEndMax && plain[end] === plain[other]; end++) other++;
    to = writeLiterals(out, to, plain.subarray(literals, at), end - at - MATCH_BYTES_MIN);
    out[to++] = (at - from) & 0xff;
    out[to++] = (at - from) >> 8;
    to = writeLength(out, to, end - at - MATCH_BYTES_MIN);
    at = end;
    literals = end;
    misses = 0;
  }
  return out.subarray(0, writeLiterals(out, to, plain.subarray(literals), 0));
}

/** Writes a token, the literals' length and the literals. Returns the offset behind them. */
function writeLiterals(out: Uint8Array, start: number, literals: Uint8Array, matchLength: number): number {
  const ofLiterals = Math.min(TOKEN_LENGTH_MAX, literals.length);
  out[start] = (ofLiterals << 4) | Math.min(TOKEN_LENGTH_MAX, matchLength);
  const to = writeLength(out, start + 1, literals.length);
  out.set(literals, to);
  return to + literals.length;
}

/** Writes the part of a length that is not in the token. Returns the offset behind it. */
function writeLength(out: Uint8Array, start: number, length: number): number {
  if (length < TOKEN_LENGTH_MAX) return start;
  let to = start;
  let left = length - TOKEN_LENGTH_MAX;
  for (; left >= 255; left -= 255) out[to++] = 255;
  out[to++] = left;
  return to;
}
