// Hot path: npm run bench -- parse. Indices are in range by construction, which `as number` tells the compiler.

const LF = 10;
const PLUS = 43;
const MINUS = 45;
const DOT = 46;
const ZERO = 48;
const UPPER_E = 69;
const LOWER_E = 101;

/** Digits that a double holds exactly whatever they are: below 10^15 < 2^53. */
const EXACT_DIGITS = 15;
/** Powers of ten that a double holds exactly, so that one multiplication or division rounds once (Clinger 1990). */
const POWERS: Float64Array = Float64Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));

/**
 * Reads the number at `start`, which must be followed by a line feed, into `out[column]`. Returns the position of the
 * line feed, or -1 where it is anything else, or a number that cannot be read exactly in one step: `toNumber` decides
 * then.
 */
export function parseNumber(bytes: Uint8Array, start: number, out: Float64Array, column: number): number {
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
  if (digits === 0 || digits > EXACT_DIGITS) return -1;
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
    if (pos === exponentStart || pos - exponentStart > 4) return -1;
    power += minus ? -exponent : exponent;
  }
  if (char !== LF || power < -22 || power > 22) return -1;
  const value = power < 0 ? mantissa / (POWERS[-power] as number) : mantissa * (POWERS[power] as number);
  out[column] = negative ? -value : value;
  return pos;
}

const DECIMAL = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const INFINITE = /^[+-]?inf(?:inity)?$/i;
const NOT_A_NUMBER = /^[+-]?nan$/i;

/** Any number that the text format allows, as Go or Rust spell it; undefined for everything else. Not hot. */
export function toNumber(text: string): number | undefined {
  if (DECIMAL.test(text)) return Number(text);
  if (INFINITE.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  return NOT_A_NUMBER.test(text) ? Number.NaN : undefined;
}
