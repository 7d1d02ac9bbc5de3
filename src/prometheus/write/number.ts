// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- write. Indices are in range by construction, which `as number` tells the compiler.

const MINUS = 45;
const DOT = 46;
const ZERO = 48;

/** Every integer below this number is exact as a double. */
const EXACT_MAX = 2 ** 53;
/** Integers below this number fit into 32 bits. V8 computes with them without a call. */
const SMALL_MAX = 1e9;
const SMALL_DIGITS = 9;

/** The digits of 00 to 99 in ASCII, so that two digits of a number cost one division. */
const PAIRS: Uint8Array = Uint8Array.from(
  { length: 200 },
  (_, at) => ((at & 1) === 0 ? Math.floor(at / 20) : (at >> 1) % 10) + ZERO,
);

/**
 * Writes `values[index]` at `pos` as the text formats spell numbers, and returns the position after it. A reader of the
 * text gets the same 64 bits again, or any NaN for a NaN. The caller must leave room for `WRITTEN_NUMBER_BYTES_MAX`
 * bytes. The number is passed in its array, because V8 would allocate it on the heap for the call.
 */
export function writeNumber(out: Uint8Array, pos: number, values: Float64Array, index: number): number {
  const value = values[index] as number;
  const whole = value | 0;
  if (whole !== value || whole < 0 || whole >= SMALL_MAX) return writeOther(out, pos, value);
  if (whole === 0 && 1 / value < 0) out[pos++] = MINUS;
  return writeSmall(out, pos, whole);
}

function writeOther(out: Uint8Array, pos: number, value: number): number {
  if (Number.isNaN(value)) return writeText(out, pos, "NaN");
  if (value === Infinity) return writeText(out, pos, "+Inf");
  if (value > 0) return writePositive(out, pos, value);
  out[pos] = MINUS;
  return value === -Infinity ? writeText(out, pos + 1, "Inf") : writePositive(out, pos + 1, -value);
}

function writePositive(out: Uint8Array, pos: number, value: number): number {
  if (value < SMALL_MAX) {
    const whole = value | 0;
    return whole === value ? writeSmall(out, pos, whole) : writeFraction(out, pos, value);
  }
  if (value >= EXACT_MAX || Math.floor(value) !== value) return writeText(out, pos, String(value));
  const high = Math.floor(value / SMALL_MAX);
  pos = writeSmall(out, pos, high);
  return writePadded(out, pos, value - high * SMALL_MAX, SMALL_DIGITS);
}

/** Writes an integer below 10^9. */
function writeSmall(out: Uint8Array, pos: number, whole: number): number {
  let digits = 1;
  if (whole >= 10) {
    if (whole < 1e4) digits = whole < 100 ? 2 : whole < 1e3 ? 3 : 4;
    else if (whole < 1e7) digits = whole < 1e5 ? 5 : whole < 1e6 ? 6 : 7;
    else digits = whole < 1e8 ? 8 : 9;
  }
  return writePadded(out, pos, whole, digits);
}

/** Writes this number of digits, with zeros in front. */
function writePadded(out: Uint8Array, pos: number, whole: number, digits: number): number {
  const end = pos + digits;
  let at = end;
  while (at - pos >= 2) {
    const rest = (whole / 100) | 0;
    const pair = (whole - rest * 100) << 1;
    out[--at] = PAIRS[pair + 1] as number;
    out[--at] = PAIRS[pair] as number;
    whole = rest;
  }
  if (at > pos) out[pos] = whole + ZERO;
  return end;
}

/**
 * Writes a positive number below 10^9 that is not whole, without a string if it has few decimals, as those of sources
 * have. The number is scaled to an integer below 2^53. If the integer divided by the scale is the same double again,
 * the digits of the integer spell this double, since a reader makes the same division.
 */
function writeFraction(out: Uint8Array, pos: number, value: number): number {
  const digits = value < 1e6 ? 9 : 6;
  const scale = value < 1e6 ? 1e9 : 1e6;
  const scaled = Math.round(value * scale);
  if (scaled / scale !== value) return writeText(out, pos, String(value));
  const whole = value | 0;
  pos = writeSmall(out, pos, whole);
  out[pos] = DOT;
  pos = writePadded(out, pos + 1, scaled - whole * scale, digits);
  while (out[pos - 1] === ZERO) pos--;
  return pos;
}

function writeText(out: Uint8Array, pos: number, text: string): number {
  for (let at = 0; at < text.length; at++) out[pos++] = text.charCodeAt(at);
  return pos;
}
