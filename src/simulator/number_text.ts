// SPDX-License-Identifier: Apache-2.0
/** How a shim writes numbers: "go" like `%g` (1.5e+06 from a million up), "rs" as plain decimals. */
export type NumberStyle = "go" | "rs";

const LF = 10;
const ZERO = 48;
const POINT = 46;
const PLUS = 43;
const LETTER_E = 101;

/**
 * The length of the longest number in Go, such as -1.7976931348623157e+308. Rust can write longer ones, but no shim
 * serves them.
 */
export const NUMBER_TEXT_BYTES_MAX = 24;

/** Writes a number as Go's expfmt does, which has no minus zero. */
export function formatGo(value: number): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if ((size >= 1e-4 && size < 1e6) || Number.isNaN(value)) return String(value);
  const [mantissa = "", exponent = ""] = value.toExponential().split("e");
  return `${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

/** Writes a number as Rust's Display does: never with an exponent. */
export function formatRust(value: number): string {
  if (value === Infinity) return "inf";
  if (value === -Infinity) return "-inf";
  if (Object.is(value, -0)) return "-0";
  const text = String(value);
  return text.includes("e") ? withoutExponent(value) : text;
}

function withoutExponent(value: number): string {
  const sign = value < 0 ? "-" : "";
  const [mantissa = "", exponent = ""] = Math.abs(value).toExponential().split("e");
  const digits = mantissa.replace(".", "");
  const whole = Number(exponent) + 1;
  if (whole <= 0) return `${sign}0.${"0".repeat(-whole)}${digits}`;
  // In JavaScript, only numbers too large for a fraction have a positive exponent.
  return `${sign}${digits.padEnd(whole, "0")}`;
}

/** Writes lines into a buffer, which must be large enough. It makes no strings for whole numbers, which are most of a page. */
export class LineWriter {
  readonly #bytes: Buffer;
  readonly #style: NumberStyle;
  #length = 0;

  constructor(bytes: Buffer, style: NumberStyle) {
    this.#bytes = bytes;
    this.#style = style;
  }

  get length(): number {
    return this.#length;
  }

  copy(from: Buffer): void {
    this.#bytes.set(from, this.#length);
    this.#length += from.length;
  }

  copyRange(from: Buffer, start: number, end: number): void {
    from.copy(this.#bytes, this.#length, start, end);
    this.#length += end - start;
  }

  /** Writes the number and the end of its line. */
  endLine(value: number): void {
    if (Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)) this.#wholeNumber(value);
    else {
      const text = this.#style === "go" ? formatGo(value) : formatRust(value);
      this.#length += this.#bytes.write(text, this.#length, "latin1");
    }
    this.#bytes[this.#length++] = LF;
  }

  #wholeNumber(value: number): void {
    if (this.#style === "rs" || value < 1e6) this.#digits(value, decimalsOf(value));
    else this.#withExponent(value);
  }

  /** The shortest decimals of a whole number below 2^53 are its digits without the zeros at the end. */
  #withExponent(value: number): void {
    const exponent = decimalsOf(value) - 1;
    let mantissa = value;
    let decimals = exponent + 1;
    while (mantissa % 10 === 0) {
      mantissa /= 10;
      decimals--;
    }
    const first = this.#length;
    if (decimals === 1) this.#digits(mantissa, 1);
    else {
      this.#length++;
      this.#digits(mantissa, decimals);
      this.#bytes[first] = this.#bytes[first + 1] ?? ZERO;
      this.#bytes[first + 1] = POINT;
    }
    this.#bytes[this.#length++] = LETTER_E;
    this.#bytes[this.#length++] = PLUS;
    this.#digits(exponent, 2);
  }

  #digits(value: number, decimals: number): void {
    let rest = value;
    for (let at = this.#length + decimals - 1; at >= this.#length; at--) {
      const tenth = Math.floor(rest / 10);
      this.#bytes[at] = ZERO + (rest - tenth * 10);
      rest = tenth;
    }
    this.#length += decimals;
  }
}

function decimalsOf(value: number): number {
  let decimals = 1;
  for (let bound = 10; value >= bound; bound *= 10) decimals++;
  return decimals;
}
