// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- parse. Indices are in range by construction, which `as number` tells the compiler.

const LF = 10;
const PLUS = 43;
const MINUS = 45;
const DOT = 46;
const ZERO = 48;
const UPPER_E = 69;
const LOWER_E = 101;

/** A double holds any number of this many digits exactly, since 10^15 < 2^53. */
const EXACT_DIGITS = 15;
/**
 * The powers of ten that a double holds exactly. An exact number multiplied or divided by one of them is rounded only
 * once (Clinger 1990).
 */
const POWERS: Float64Array = Float64Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));

/**
 * A number of more bytes is left to the lexer. Go writes at most 24 bytes; Rust writes more only for very large or
 * small numbers.
 */
const RARE_BYTES_MAX = 40;

/**
 * Reads the number at `start`, up to a line feed, into `out[column]`. Returns the position of the line feed. If there
 * is something other than a number and a line feed, returns `~position` of the last byte that was read, which is
 * negative. The number is always the double nearest to the decimal.
 */
export function parseNumber(bytes: Buffer, start: number, out: Float64Array, column: number): number {
  let pos = start;
  let char = bytes[pos] as number;
  const negative = char === MINUS;
  if (negative) char = bytes[++pos] as number;
  const first = pos;
  let mantissa = 0;
  for (let digit = char - ZERO; digit >= 0 && digit <= 9; digit = char - ZERO) {
    mantissa = mantissa * 10 + digit;
    char = bytes[++pos] as number;
  }
  if (char === LF && pos - first <= EXACT_DIGITS && pos > first) {
    out[column] = negative ? -mantissa : mantissa;
    return pos;
  }
  let digits = pos - first;
  let power = 0;
  if (char === DOT) {
    char = bytes[++pos] as number;
    const fraction = pos;
    for (let digit = char - ZERO; digit >= 0 && digit <= 9; digit = char - ZERO) {
      mantissa = mantissa * 10 + digit;
      char = bytes[++pos] as number;
    }
    power = fraction - pos;
    digits -= power;
  }
  if (digits === 0 || digits > EXACT_DIGITS) return parseRare(bytes, { start, seen: pos }, out, column);
  if (char === LOWER_E || char === UPPER_E) {
    char = bytes[++pos] as number;
    const minus = char === MINUS;
    if (minus || char === PLUS) char = bytes[++pos] as number;
    const exponentStart = pos;
    let exponent = 0;
    for (let digit = char - ZERO; digit >= 0 && digit <= 9; digit = char - ZERO) {
      exponent = exponent * 10 + digit;
      char = bytes[++pos] as number;
    }
    if (pos === exponentStart) return ~pos;
    power += minus ? -exponent : exponent;
  }
  if (char !== LF || power < -22 || power > 22) return parseRare(bytes, { start, seen: pos }, out, column);
  const value = power < 0 ? mantissa / (POWERS[-power] as number) : mantissa * (POWERS[power] as number);
  out[column] = negative ? -value : value;
  return pos;
}

/**
 * Reads infinities, NaN and numbers that one rounding does not give exactly. A page has few of these, so that it costs
 * little to make a string for each.
 */
function parseRare(
  bytes: Buffer,
  { start, seen }: { readonly start: number; readonly seen: number },
  out: Float64Array,
  column: number,
): number {
  const longest = start + RARE_BYTES_MAX;
  let end = seen;
  while (end <= longest && bytes[end] !== LF) end++;
  if (end > longest) return ~end;
  const value = toNumber(bytes.toString("latin1", start, end));
  if (value === undefined) return ~end;
  out[column] = value;
  return end;
}

const DECIMAL = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const INFINITE = /^[+-]?inf(?:inity)?$/i;
const NOT_A_NUMBER = /^[+-]?nan$/i;

/** Returns any number that the text format allows, as Go or Rust spell it; undefined for other text. It is slow. */
export function toNumber(text: string): number | undefined {
  if (DECIMAL.test(text)) return Number(text);
  if (INFINITE.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  return NOT_A_NUMBER.test(text) ? Number.NaN : undefined;
}
